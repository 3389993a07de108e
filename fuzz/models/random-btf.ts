/** Makes BTF of random types, as a compiler would: what is held by value comes before what holds it. */
import { BtfBuilder, type BtfMemberSpec } from '../../test/builders/btf.ts';
import type { Random } from '../random.ts';

const NAMES = ['task_struct', 'list_head', 'next', 'prev', 'mm', 'pid', 'comm', 'count', 'flags', 'a', 'rq', 'lock'];

export function randomBtf(random: Random, base?: BtfBuilder): BtfBuilder {
  const btf = new BtfBuilder(base);
  const first = base === undefined ? 1 : Math.max(1, base.nextId - 20);
  if (base === undefined) {
    btf.int('int', 4, { signed: true });
    btf.int('long unsigned int', 8);
    btf.int('char', 1, { signed: true });
  }
  const name = (): string => (random.chance(0.5) ? random.pick(NAMES) : `${random.pick(NAMES)}_${random.below(40)}`);
  const any = (): number => random.between(first, Math.max(first, btf.nextId - 1));
  // Types that a value can have: not functions, variables, sections.
  const held: number[] = [1, 2, 3];
  const value = (): number => random.pick(held);
  const hold = (id: number): void => void held.push(id);
  for (let i = random.pick([3, 20, 60, 150]); i > 0; i--) {
    switch (random.below(16)) {
      case 0:
        hold(btf.int(name(), random.pick([1, 2, 4, 8]), { signed: random.chance(0.5), bool: random.chance(0.2) }));
        break;
      case 1:
        hold(btf.pointer(random.chance(0.2) ? 0 : any()));
        break;
      case 2:
        hold(btf.array(value(), random.pick([0, 1, 2, 16, 0x10000])));
        break;
      case 3:
      case 4:
      case 5: {
        const members = membersOf(random, value, name);
        const label = random.chance(0.85) ? name() : undefined;
        hold(random.chance(0.3) ? btf.union(label, 8, members) : btf.struct(label, members.length * 8, members));
        break;
      }
      case 6:
        hold(btf.enum(name(), valuesOf(random), { signed: random.chance(0.5) }));
        break;
      case 7:
        hold(btf.enum64(name(), { [`${name()}_64`]: random.u64() }, { signed: random.chance(0.5) }));
        break;
      case 8:
        btf.forward(name(), random.pick(['struct', 'union'] as const));
        break;
      case 9:
        hold(btf.typedef(name(), value()));
        break;
      case 10:
        hold(random.chance(0.5) ? btf.const(value()) : btf.volatile(value()));
        break;
      case 11: {
        const parameters = Array.from({ length: random.below(4) }, () => ({ name: name(), type: value() }));
        btf.func(name(), btf.prototype(value(), parameters));
        break;
      }
      case 12:
        btf.datasec('.data..percpu', [{ id: btf.variable(name(), value()), offset: 0, size: 8 }]);
        break;
      case 13:
        hold(btf.float('double', 8));
        break;
      case 14:
        hold(btf.typeTag('user', value()));
        btf.declTag('tag', any());
        break;
      default:
        hold(btf.restrict(btf.pointer(any())));
    }
  }
  return btf;
}

function membersOf(random: Random, value: () => number, name: () => string): readonly BtfMemberSpec[] {
  const bitFields = random.chance(0.2);
  return Array.from({ length: random.below(6) }, (_, i) => ({
    name: random.chance(0.85) ? name() : undefined,
    type: value(),
    bits: i * 64,
    ...(bitFields && random.chance(0.5) ? { width: random.between(1, 8) } : {}),
  }));
}

function valuesOf(random: Random): Record<string, number> {
  const values: Record<string, number> = {};
  for (let i = random.below(5); i > 0; i--) values[`E_${random.below(100)}`] = random.between(-2, 100);
  return values;
}
