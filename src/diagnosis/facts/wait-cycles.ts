/** Circles in a graph of who waits for whom: strongly connected parts (Tarjan), and the shortest circle in each. */

/**
 * The parts of a graph in which each node can reach every other; nodes alone are left out, unless they lead to themselves.
 * @param next - where a node leads to
 */
export function cyclicParts<T>(nodes: Iterable<T>, next: (node: T) => readonly T[]): readonly (readonly T[])[] {
  const index = new Map<T, number>();
  const low = new Map<T, number>();
  const stack: T[] = [];
  const open = new Set<T>();
  const parts: (readonly T[])[] = [];
  const enter = (node: T): { readonly node: T; readonly targets: readonly T[]; at: number } => {
    index.set(node, index.size);
    low.set(node, index.size - 1);
    stack.push(node);
    open.add(node);
    return { node, targets: next(node), at: 0 };
  };
  const lower = (node: T, to: number | undefined): void => {
    low.set(node, Math.min(low.get(node) ?? 0, to ?? 0));
  };
  for (const start of nodes) {
    if (index.has(start)) continue;
    // Chains of thousands are longer than the call stack likes.
    const path = [enter(start)];
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const target = top.targets[top.at++];
      if (target !== undefined) {
        if (!index.has(target)) path.push(enter(target));
        else if (open.has(target)) lower(top.node, index.get(target));
        continue;
      }
      path.pop();
      const { node } = top;
      const above = path.at(-1);
      if (above !== undefined) lower(above.node, low.get(node));
      if (low.get(node) !== index.get(node)) continue;
      const part = stack.splice(stack.lastIndexOf(node));
      for (const each of part) open.delete(each);
      if (part.length > 1 || top.targets.includes(node)) parts.push(part);
    }
  }
  return parts;
}

/** Nodes of one part that a search for its shortest circle begins at; any of them lies on a circle. */
const MAX_STARTS = 64;

/** The shortest circle in a part of `cyclicParts`, in the order in which its nodes lead to each other. */
export function shortestCycle<T>(part: readonly T[], next: (node: T) => readonly T[]): readonly T[] {
  const inside = new Set(part);
  let best: readonly T[] = part;
  for (const start of part.slice(0, MAX_STARTS)) {
    const cycle = cycleThrough(start, (node) => next(node).filter((target) => inside.has(target)));
    if (cycle !== undefined && (cycle.length < best.length || best === part)) best = cycle;
  }
  return best;
}

function cycleThrough<T>(start: T, next: (node: T) => readonly T[]): readonly T[] | undefined {
  const from = new Map<T, T>();
  const queue: T[] = [start];
  for (const node of queue) {
    for (const target of next(node)) {
      if (target === start) {
        const cycle = [node];
        for (let at = node; at !== start; ) {
          const before = from.get(at);
          if (before === undefined) return undefined;
          cycle.push((at = before));
        }
        return cycle.reverse();
      }
      if (from.has(target)) continue;
      from.set(target, node);
      queue.push(target);
    }
  }
  return undefined;
}
