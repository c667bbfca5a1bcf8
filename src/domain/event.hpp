#pragma once
#include <memory>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

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

/// The file was deleted, by its owner or, where `by` is empty, because its time was over. Its life ends; its versions
/// and what redeliveries are recognised by go on. Says all that goes on, so that a fold may begin here.
struct Deleted {
  std::vector<LogPosition> positions;
  friend bool operator==(const Deleted&, const Deleted&) = default;
};

struct Progress;

/// Stands in the place of the first events of a log, up to and with its own version: what they had come to. The only
/// kind that does not follow another one.
struct Baseline {
  std::shared_ptr<const Progress> state;     ///< never null
  Version head = 0;                          ///< the last chunk that is gone: its first version,
  std::array<std::uint8_t, 32> head_hash{};  ///< and its hash, which the chunk behind it names
  friend bool operator==(const Baseline& a, const Baseline& b);
};

/// Something that happened to a stream, once and for ever. docs/log-format.md says how it is stored.
struct ProgressEvent {
  Version version = 0;
  std::optional<FileId> id;  ///< on the first event of a file's life; of a `Deleted` and a `Baseline`: whose they are
  Timestamp at;
  Email by;
  Channel channel = Channel::rest;
  std::optional<EventKey> key;
  std::optional<LogPosition> position;
  std::variant<Reported, Adopted, Deleted, Baseline> what;
  friend bool operator==(const ProgressEvent&, const ProgressEvent&) = default;

  /// Whether a file's life begins with it.
  [[nodiscard]] bool is_birth() const {
    return id && (std::holds_alternative<Reported>(what) || std::holds_alternative<Adopted>(what));
  }
  /// Whether it says all that went before it as far as that matters, so that a log may begin with it.
  [[nodiscard]] bool may_begin_log() const { return id.has_value(); }
};

/// As the log and the API name it.
[[nodiscard]] constexpr std::string_view kind_of(const Reported&) { return "reported"; }
[[nodiscard]] constexpr std::string_view kind_of(const Adopted&) { return "adopted"; }
[[nodiscard]] constexpr std::string_view kind_of(const Deleted&) { return "deleted"; }
[[nodiscard]] constexpr std::string_view kind_of(const Baseline&) { return "baseline"; }
[[nodiscard]] inline std::string_view kind_of(const ProgressEvent& event) {
  return std::visit([](const auto& what) { return kind_of(what); }, event.what);
}

/// What an event says was reported: itself, or in all before there was a log or before the log was cut.
[[nodiscard]] Reported reported_in(const ProgressEvent& event);

}  // namespace pebbles::domain
