#pragma once
#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <variant>

#include "base/rate_limit.hpp"
#include "telemetry/log.hpp"

/// How lines are made; for this folder alone.
namespace pebbles::telemetry {

/// Something of a line with its name. An empty text is left out. Texts are cut to 512 bytes, freed of what may be a
/// secret, and escaped.
struct Member {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, double, bool> value;
  Member(std::string_view n, std::string_view v) : name{n}, value{v} {}
  Member(std::string_view n, const char* v) : name{n}, value{std::string_view{v}} {}  // it would become the bool
  Member(std::string_view n, double v) : name{n}, value{v} {}
  Member(std::string_view n, bool v) : name{n}, value{v} {}
  template <std::integral Number>
  Member(std::string_view n, Number v) : name{n}, value{static_cast<std::int64_t>(v)} {}
};
using Members = std::initializer_list<Member>;

/// Writes a line, if that level is logged.
void say(Level level, std::string_view event, Members members);

/// A kind of event that can happen with every request or message. One line is written each `interval`, with how many
/// were not as `unsaid`; what is left of that count when it happens no more is written by a line `unsaid`.
/// Lifetime: for ever, so make it static. Threads: any.
class RepeatedEvent {
 public:
  static constexpr std::chrono::seconds interval{1};

  /// `event` is a literal.
  RepeatedEvent(Level level, std::string_view event);
  RepeatedEvent(const RepeatedEvent&) = delete;
  RepeatedEvent& operator=(const RepeatedEvent&) = delete;

  /// False when the line was held back.
  bool say(Members members);
  /// Says what is left of all kinds.
  static void say_overdue();

 private:
  const Level level_;
  const std::string_view event_;
  RateLimit limit_{interval};
};

}  // namespace pebbles::telemetry
