#pragma once
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "domain/event.hpp"
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
  FileId id_if_new{};  ///< becomes the file's id if this update creates it
};

/// Everything that changes a stream. Later kinds (delete, prune, adopt) join the variant.
using Command = std::variant<Report>;

/// An event of the stream, or of the same batch, that carries the command's key.
struct KeyHit {
  Version version = 0;
  ShortDigest fingerprint{};
};

enum class Rejection { not_the_owner, key_reused, already_completed, counter_overflow };

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

/// Judges a command against the stream's present state (`nullptr`: no such file yet). Rules, in this order: the first
/// creator owns the file; a replay is a replay for ever; a completed file is final; counters do not overflow.
/// An accepted event's time never lies before the stream's last.
[[nodiscard]] Decision decide(const Progress* now, const Command& command, const KeyHit* hit);

}  // namespace pebbles::domain
