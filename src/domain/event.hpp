#pragma once
#include <optional>
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

/// Something that happened to a stream, once and for ever. docs/log-format.md says how it is stored.
struct ProgressEvent {
  Version version = 0;
  std::optional<FileId> id;  ///< on the first event of a file's life
  Timestamp at;
  Email by;
  Channel channel = Channel::rest;
  std::optional<EventKey> key;
  std::optional<LogPosition> position;
  std::variant<Reported> what;
  friend bool operator==(const ProgressEvent&, const ProgressEvent&) = default;
};

}  // namespace pebbles::domain
