#pragma once
#include <cstdint>
#include <string_view>

/// The log of the process, on standard error (docs/logging.md). Threads: any. Nobody who logs waits for who reads it.
namespace pebbles::telemetry {

enum class LogFormat : std::uint8_t { text, json };
enum class Level : std::uint8_t { trace, debug, info, warn, error, off };

/// Sets level and format; before, these are info and text. `level` is the name of one. False when it is not.
bool start_log(std::string_view level, LogFormat format);

/// Whether lines of that level are written: ask before doing work for one.
[[nodiscard]] bool is_logged(Level level);

enum class Verbosity : std::uint8_t { more, less };
/// One level up or down, up to trace and off; the log says so, whatever its level is.
void change_level(Verbosity verbosity);

/// Waits, for a second at most, until all that was said is written.
void flush_log() noexcept;

}  // namespace pebbles::telemetry
