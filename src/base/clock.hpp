#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pebbles {

/// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z: the resolution of every time that Pebbles keeps.
using Timestamp = std::chrono::sys_time<std::chrono::milliseconds>;

/// The wall clock, behind an interface so that tests own the time. Threads: any.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Timestamp now() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override;
};

/// `2024-01-01T15:30:00.000Z`: RFC 3339, UTC, always three digits of milliseconds.
void append_rfc3339(std::string& out, Timestamp time);
[[nodiscard]] std::string to_rfc3339(Timestamp time);

/// Reads what RFC 3339 writes in UTC (`Z`), with any number of digits behind the second; what is finer than a
/// millisecond is cut off. Nullopt for anything else.
[[nodiscard]] std::optional<Timestamp> from_rfc3339(std::string_view text);

}  // namespace pebbles
