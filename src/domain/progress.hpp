#pragma once
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "domain/event.hpp"
#include "domain/values.hpp"

namespace pebbles::domain {

/// The number of the rules by which `evolve` folds. A snapshot made by another number is derived again.
inline constexpr int fold_number = 1;

inline constexpr std::size_t kept_items_max = 100;
inline constexpr std::size_t kept_bytes_max = 64 * 1024;
inline constexpr std::size_t positions_max = 256;

/// The first items of one kind (at most `kept_items_max`, their texts at most `kept_bytes_max` bytes) and the true
/// count of all. The first item that does not fit closes the list: what is kept is always a prefix.
struct KeptItems {
  ItemList first;
  std::int64_t count = 0;

  void add(const ItemList& items);
  friend bool operator==(const KeptItems&, const KeptItems&) = default;
};

/// The state of a stream: the fold of its events. A version of 0 beside an owner is a file of before the log, whose
/// first event will be that it was adopted. Without an owner there is no file: not yet, or it was deleted; then `id` is
/// that of the last one, and of the rest only version, `updated_at` and positions are set.
struct Progress {
  Version version = 0;
  Version born = 0;  ///< of the first event of its present life; 0 where there is none, or before the log
  FileId id{};
  Email owner;
  Counts counts;
  std::optional<std::int64_t> total;
  bool completed = false;
  Timestamp created_at;
  Timestamp updated_at;
  std::optional<Timestamp> completed_at;
  KeptItems errors;
  KeptItems warnings;
  /// The last offset folded in of each Kafka partition, the one that moved last at the end.
  std::vector<LogPosition> positions;
  friend bool operator==(const Progress&, const Progress&) = default;

  /// Whether there is such a file, with events or without.
  [[nodiscard]] bool exists() const { return !owner->empty(); }
  /// Errors told, or rows that failed; and the same of warnings.
  [[nodiscard]] bool has_errors() const { return errors.count > 0 || counts.failed > 0; }
  [[nodiscard]] bool has_warnings() const { return warnings.count > 0 || counts.warn > 0; }
  [[nodiscard]] bool is_before_log() const { return exists() && version == 0; }
};

/// The state after `event`. Total: an event has already happened, so it cannot fail.
/// Precondition: `event.version == now.version + 1`; or `now` is a default `Progress`, the state before the first
/// event, and `event.may_begin_log()`.
[[nodiscard]] Progress evolve(Progress now, const ProgressEvent& event);

/// The first event of a file of before the log. What it keeps of errors and warnings is what a snapshot keeps.
/// Precondition: `now.is_before_log()`.
[[nodiscard]] ProgressEvent adopt(const Progress& now);

}  // namespace pebbles::domain
