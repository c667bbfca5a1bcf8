#pragma once
#include <optional>
#include <string_view>
#include <variant>

#include "base/clock.hpp"
#include "domain/values.hpp"

namespace pebbles::domain {

/// A worker reported progress: counts to add, and what it noticed.
struct Reported {
  Counts counts;
  std::optional<std::int64_t> total;
  bool is_last = false;
  ItemList errors;
  ItemList warnings;
  friend bool operator==(const Reported&, const Reported&) = default;
};

/// A file that was there before there was a log: what it had become, as its first event. `by` is its owner, `at` the
/// time of its last update.
struct Adopted {
  Reported state;  ///< `is_last`: it was complete
  Timestamp created_at;
  std::int64_t error_count = 0;  ///< at least as many as `state.errors` has
  std::int64_t warning_count = 0;
  friend bool operator==(const Adopted&, const Adopted&) = default;
};

/// Something that happened to a stream, once and for ever. docs/log-format.md says how it is stored.
struct ProgressEvent {
  Version version = 0;
  std::optional<FileId> id;  ///< on the first event of a file's life
  Timestamp at;
  Email by;
  Channel channel = Channel::rest;
  std::optional<EventKey> key;
  std::optional<LogPosition> position;
  std::variant<Reported, Adopted> what;
  friend bool operator==(const ProgressEvent&, const ProgressEvent&) = default;
};

/// As the log and the API name it.
[[nodiscard]] constexpr std::string_view kind_of(const Reported&) { return "reported"; }
[[nodiscard]] constexpr std::string_view kind_of(const Adopted&) { return "adopted"; }
[[nodiscard]] inline std::string_view kind_of(const ProgressEvent& event) {
  return std::visit([](const auto& what) { return kind_of(what); }, event.what);
}

/// What an event says was reported, or had been before there was a log.
[[nodiscard]] inline const Reported& reported_in(const ProgressEvent& event) {
  struct Find {
    const Reported* operator()(const Reported& reported) const { return &reported; }
    const Reported* operator()(const Adopted& adopted) const { return &adopted.state; }
  };
  return *std::visit(Find{}, event.what);
}

}  // namespace pebbles::domain
