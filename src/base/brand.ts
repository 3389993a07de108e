/**
 * Nominal ("branded") types: a value of one brand cannot be given where another is wanted, at no cost at run time.
 * The key is an unexported unique symbol, so a brand can only be put on by the cast in the file that owns it.
 */
declare const brand: unique symbol;

export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
