#pragma once

namespace pebbles {

/// Gives memory that was freed back to the system, where the process holds much. Allocators keep what they may need
/// again, so what a peak has taken would stay with a process that rests. Of mimalloc it gives back what the calling
/// thread holds, so each thread that works calls it, when it has nothing else to do or every few seconds; of the C
/// library all there is, every two seconds at most. Takes a millisecond or so. Threads: any.
void release_free_memory();

}  // namespace pebbles
