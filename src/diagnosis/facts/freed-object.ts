/**
 * Of the freed object that the kernel fell over: who allocated and freed it, where slub_debug noted that, and how the
 * allocator spells its own pointer in it.
 */
import { attempt } from '../../base/errors.ts';
import { type ObjectTracks, objectTracks } from '../../kernel/slab-track.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { crashCauseFact } from './crash-cause.ts';

export interface FreedNotes {
  /** Undefined where nothing is noted, or the object is not known. */
  readonly tracks: ObjectTracks | undefined;
  /** CONFIG_SLAB_FREELIST_HARDENED: pointers between free objects are scrambled. */
  readonly scrambled: boolean;
}

export const freedNotesFact = defineFact<FreedNotes>({
  id: 'freed-notes',
  derive({ program, use }) {
    const crash = use(crashCauseFact);
    const object = crash?.kind === 'use-after-free' ? crash.freed?.object : undefined;
    return {
      tracks: object === undefined ? undefined : attempt(() => objectTracks(program, object)),
      // Since 4.14 (commit 2482ddec670f).
      scrambled: attempt(() => program.tryField('struct kmem_cache', 'random')) !== undefined,
    };
  },
});
