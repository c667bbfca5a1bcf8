#pragma once
#include <string_view>

/// What the process is told from outside: SIGTERM, SIGINT and SIGHUP end it, SIGUSR1 and SIGUSR2 set how much is
/// logged.
namespace pebbles::app {

/// Call it before any thread starts, so that every thread inherits the mask and only `wait_for_end` sees them. SIGPIPE
/// is ignored: a client that hangs up is an error code of the write.
void block_signals();

/// Waits for a signal to end, and names it.
[[nodiscard]] std::string_view wait_for_end();

}  // namespace pebbles::app
