#pragma once
#include <memory>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "domain/event.hpp"
#include "domain/precondition.hpp"
#include "domain/progress.hpp"

namespace pebbles::domain {

/// A worker's update, parsed, validated and authenticated.
struct Report {
  Email by;
  Channel channel = Channel::rest;
  Timestamp at;  ///< the server's clock at admission
  Reported what;
  std::optional<EventKey> key;
  std::optional<LogPosition> position;
  FileId id_if_new{};                                ///< becomes the file's id if this update creates it
  std::shared_ptr<const Precondition> only_if = {};  ///< null: whatever state the file is in
};

/// A file is to go: its owner wants it so, or its time is over.
struct Delete {
  FileId id{};  ///< the file that is meant: not one that has begun under its name meanwhile
  Timestamp at;
  Email by;                                          ///< empty for the service itself, which asks no owner
  std::optional<Timestamp> completed_before = {};    ///< of the service: only a file that was complete before that time
  std::shared_ptr<const Precondition> only_if = {};  ///< null: whatever state the file is in
};

/// Everything that changes a stream.
using Command = std::variant<Report, Delete>;

/// An event of the stream, or of the same batch, that carries the command's key.
struct KeyHit {
  Version version = 0;
  ShortDigest fingerprint{};
};

enum class Rejection {
  not_the_owner,
  key_reused,
  precondition_failed,
  already_completed,
  counter_overflow,
  no_such_file
};

/// The stable name of a rejection, for logs, metrics and dead letters.
[[nodiscard]] std::string_view name_of(Rejection rejection);
/// The same for people.
[[nodiscard]] std::string_view detail_of(Rejection rejection);

struct Accepted {
  ProgressEvent event;
};
/// The update was counted before, in the event of that version.
struct Duplicate {
  Version version = 0;
};
using Decision = std::variant<Accepted, Duplicate, Rejection>;

/// Judges a command against the stream's present state. Rules for a report, in this order: what was counted in an
/// earlier life of the file is a duplicate, whoever owns it now; the first creator owns the file; a replay is a replay
/// for ever, whatever its precondition says now; the precondition holds; a completed file is final; counters do not
/// overflow. An accepted event's time never lies before the stream's last.
[[nodiscard]] Decision decide(const Progress& now, const Command& command, const KeyHit* hit);

}  // namespace pebbles::domain
