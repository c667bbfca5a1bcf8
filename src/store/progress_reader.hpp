#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "store/event_store.hpp"

namespace pebbles::store {

/// Where a list page ended: the next one starts behind it. Lists run by (updated_at, id), newest first.
struct ListPosition {
  Timestamp updated_at;
  domain::FileId id{};
  friend bool operator==(const ListPosition&, const ListPosition&) = default;
};

struct ListQuery {
  std::optional<domain::Email> owner;  ///< only this owner's files
  std::optional<ListPosition> after;
  std::size_t limit = 0;  ///< at least 1
};

struct ListPage {
  std::vector<SnapshotPtr> records;
  bool more = false;
};

struct EventPage {
  std::vector<domain::ProgressEvent> events;
  bool more = false;
};

/// A place in the tail. 0 is before everything; otherwise what `TailPage::next` said.
using TailCursor = std::int64_t;

struct TailEntry {
  StreamId stream;
  domain::ProgressEvent event;
};

struct TailPage {
  std::vector<TailEntry> entries;
  TailCursor next = 0;
};

/// Everything that shows. Every call but the tail names a client: there is no query across clients. A deleted file is
/// like one that never was: no call but `events` and `tail` shows it.
/// What an answered commit stored is seen by every call that starts afterwards; by `tail` once no commit is open that
/// could still come before it.
/// Threads: any, several at once; calls may block, where they do not say otherwise. Errors: store_unavailable,
/// store_corrupt. Every implementation passes tests/contract/progress_reader_contract.hpp.
class ProgressReader {
 public:
  virtual ~ProgressReader() = default;

  /// Null when the client has no such file.
  [[nodiscard]] virtual Result<SnapshotPtr> by_filename(const StreamId& stream) = 0;
  [[nodiscard]] virtual Result<SnapshotPtr> by_id(const domain::ClientKrn& client, const domain::FileId& id) = 0;
  /// The same from memory, for threads that must not wait: never blocks, and knows no errors. Null says nothing.
  [[nodiscard]] virtual SnapshotPtr at_hand(const StreamId&) { return nullptr; }
  [[nodiscard]] virtual SnapshotPtr at_hand(const domain::ClientKrn&, const domain::FileId&) { return nullptr; }

  [[nodiscard]] virtual Result<ListPage> list(const domain::ClientKrn& client, const ListQuery& query) = 0;

  /// A stream's events with a version above `after`, oldest first, at most `limit`.
  [[nodiscard]] virtual Result<EventPage> events(const StreamId& stream, Version after, std::size_t limit) = 0;

  /// What was committed behind the cursor, by any instance, each event exactly once and a stream's in order, but for
  /// baselines, which tell nothing new; whole
  /// commits, at least one if there is any, and no more than needed for `limit` events. Nothing that commits later
  /// ever appears behind a cursor that was given out (invariant 16).
  [[nodiscard]] virtual Result<TailPage> tail(TailCursor cursor, std::size_t limit) = 0;

  /// Whether the store answers, for /health.
  [[nodiscard]] virtual Result<void> ping() = 0;
};

}  // namespace pebbles::store
