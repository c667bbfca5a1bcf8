#pragma once
#include <array>
#include <string_view>

namespace pebbles {

/// The places at which a debug build can be told to die, as `PEBBLES_CRASH_AT=name[:n]` (at the n-th passage, the
/// first by default). `pebbles crash-points` lists them; the fault tests visit each.
inline constexpr std::array<std::string_view, 11> crash_points{
    "after-parse",          // an update was parsed and is about to enter a lane
    "after-load",           // a lane has loaded the states of a batch
    "before-commit",        // a batch is decided and about to be written
    "after-begin",          // the transaction is open and empty
    "after-chunks",         // the chunks are written, the transaction is open
    "before-store-commit",  // all is written, the transaction is open
    "after-store-commit",   // the transaction is durable, nothing in memory knows it
    "before-answer",        // the lane knows the outcomes, nobody was told
    "after-answer",         // the waiters were told
    "before-checkpoint",    // the write-ahead log is about to be copied into the database
    "after-checkpoint",     // it was copied
};

constexpr bool is_crash_point(std::string_view name) {
  for (auto known : crash_points)
    if (known == name) return true;
  return false;
}

/// Kills the process (SIGKILL) if the environment asked for it here. Threads: any.
void pass_crash_point(std::string_view name);

}  // namespace pebbles

#ifdef PEBBLES_CRASH_POINTS
#define PEBBLES_CRASH_POINT(name)                                              \
  do {                                                                         \
    static_assert(::pebbles::is_crash_point(name), "list it in crash_points"); \
    ::pebbles::pass_crash_point(name);                                         \
  } while (false)
#else
#define PEBBLES_CRASH_POINT(name) static_assert(::pebbles::is_crash_point(name), "list it in crash_points")
#endif
