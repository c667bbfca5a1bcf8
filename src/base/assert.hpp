#pragma once
#include <string_view>

namespace pebbles {

/// Prints where and why, and aborts: a bug was found, and going on could corrupt a count.
[[noreturn]] void assertion_failed(std::string_view condition, std::string_view reason, std::string_view file,
                                   int line) noexcept;

/// Ends the process at once, without running destructors: what is on disk is in doubt (a failed fsync, say), and
/// only a restart, which reads the log again, can tell what holds.
[[noreturn]] void fatal(std::string_view reason) noexcept;

/// What both of the above do first: what was logged before may say why. Set it before other threads are there.
void set_last_act(void (*act)() noexcept);

}  // namespace pebbles

/// On in release too. `reason` says what would be wrong in the world if the condition did not hold.
#define PEBBLES_ASSERT(condition, reason)                                  \
  do {                                                                     \
    if (!(condition)) [[unlikely]]                                         \
      ::pebbles::assertion_failed(#condition, reason, __FILE__, __LINE__); \
  } while (false)
