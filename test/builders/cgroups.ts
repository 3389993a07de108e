/**
 * Tasks in cgroups, for an image whose `task_struct` has `cgroups`: of the version 2 hierarchy, or of named ones of version 1.
 *
 *   const cgroups = new Cgroups(image);
 *   cgroups.put('task20', { unified: '/system.slice/cron.service' });
 *
 * Labels, with _ for signs: `unified:/system_slice`, its node `unified:/system_slice kn`; `set of task20`.
 */
import { type KernelImage, ref } from './image.ts';

/** The path by hierarchy. Each but 'unified' is a named one. */
export type Places = { readonly [hierarchy: string]: string };

export class Cgroups {
  readonly #image: KernelImage;
  readonly #made = new Set<string>();

  constructor(image: KernelImage) {
    this.#image = image;
    image.struct('kernfs_node', { parent: 'struct kernfs_node *', name: 'const char *' });
    image.struct('cgroup_root', { flags: 'unsigned int', name: 'char[64]' });
    image.struct('cgroup', { kn: 'struct kernfs_node *', root: 'struct cgroup_root *' });
    image.struct('cgrp_cset_link', {
      cgrp: 'struct cgroup *',
      cset: 'struct css_set *',
      cset_link: 'struct list_head',
      cgrp_link: 'struct list_head',
    });
    image.struct('css_set', {
      subsys: 'struct cgroup_subsys_state *[1]',
      dfl_cgrp: 'struct cgroup *',
      cgrp_links: 'struct list_head',
    });
  }

  /** Puts a task into a group of each of these hierarchies; in version 2 into the root unless said. */
  put(task: string, places: Places): void {
    const image = this.#image;
    const set = `set of ${task}`;
    const all = { unified: '/', ...places };
    image.place(set, 'struct css_set', { dfl_cgrp: ref(this.#group('unified', all.unified)) });
    const links = Object.entries(all).map(([hierarchy, path]) => {
      const label = `${set} in ${hierarchy}`;
      image.place(label, 'struct cgrp_cset_link', { cgrp: ref(this.#group(hierarchy, path)), cset: ref(set) });
      return `${label}.cgrp_link`;
    });
    image.list(`${set}.cgrp_links`, links);
    image.write(`${task}.cgroups`, ref(set));
  }

  #group(hierarchy: string, path: string): string {
    // A dot would lead to a member, a bracket to an element.
    const label = `${hierarchy}:${path.replace(/[^\w/-]/g, '_')}`;
    if (this.#made.has(label)) return label;
    this.#made.add(label);
    const image = this.#image;
    const parts = path.split('/').filter((part) => part !== '');
    const up = parts.length === 0 ? undefined : this.#group(hierarchy, `/${parts.slice(0, -1).join('/')}`);
    if (up === undefined) {
      const name = hierarchy === 'unified' ? '' : hierarchy;
      image.place(`${hierarchy} root`, 'struct cgroup_root', { name });
    }
    image.place(`${label} kn`, 'struct kernfs_node', {
      name: parts.at(-1) ?? '',
      parent: up === undefined ? 0 : ref(`${up} kn`),
    });
    image.place(label, 'struct cgroup', { kn: ref(`${label} kn`), root: ref(`${hierarchy} root`) });
    return label;
  }
}
