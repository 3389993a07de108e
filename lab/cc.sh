#!/bin/sh
# The machine's gcc for a kernel that was built with a newer one: says what the older one does not know in older words.
for word; do
  shift
  case $word in
    # Since gcc 14.
    -fmin-function-alignment=*) gcc "$word" -E -x c /dev/null >/dev/null 2>&1 || word=-falign-functions=${word#*=} ;;
  esac
  set -- "$@" "$word"
done
exec gcc "$@"
