#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "store/client_summary.hpp"
#include "store/cursor_key.hpp"
#include "store/event_store.hpp"
#include "store/list_query.hpp"

namespace pebbles::store {

/// How long a page of events may be. What is larger by itself comes alone: a page is empty only where nothing is left.
struct PageBounds {
  std::size_t events = 0;          ///< at least 1
  std::size_t bytes = 1UL << 20U;  ///< of their canonical text
};

struct EventPage {
  std::vector<domain::ProgressEvent> events;
  bool more = false;
};

/// A place in a client's feed, as `FeedPage` gave it; the default is before everything. A commit stands at one place,
/// and so may several of other shards.
struct FeedPosition {
  std::int64_t place = 0;  ///< all up to here, and here too unless `given` says otherwise, is behind
  std::int64_t given = 0;  ///< above 0: only the first so many events of `place` are
  friend bool operator==(const FeedPosition&, const FeedPosition&) = default;
};

struct FeedQuery {
  FeedPosition after = {};
  std::optional<std::int64_t> until = {};  ///< the last place that counts, of `feed_end`
  PageBounds bounds;
};

struct FeedEntry {
  domain::Filename filename;
  domain::ProgressEvent event;
  FeedPosition position;  ///< behind it
};

struct FeedPage {
  std::vector<FeedEntry> entries;
  FeedPosition next;
  bool more = false;  ///< there may be: also where a look at what others did took long enough, and the page is empty
  bool full = false;  ///< it had no room for the next event
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

  /// Counts by the rules of `matches`. What it costs does not grow with the client's completed files.
  [[nodiscard]] virtual Result<ClientSummary> summary(const domain::ClientKrn& client, Timestamp stalled_before) = 0;

  /// A stream's events with a version above `after`, oldest first. Costs the same wherever they stand in the log.
  [[nodiscard]] virtual Result<EventPage> events(const StreamId& stream, Version after, const PageBounds& bounds) = 0;

  /// What was committed of a client's files behind a place, by any instance, each event exactly once and a file's in
  /// order. Nothing ever appears behind a position that was given out (invariant 16).
  [[nodiscard]] virtual Result<FeedPage> client_events(const domain::ClientKrn& client, const FeedQuery& query) = 0;
  /// The last place behind which nothing appears any more: a feed that begins there shows what comes from now on.
  [[nodiscard]] virtual Result<std::int64_t> feed_end() = 0;

  /// What was committed behind the cursor, by any instance, each event exactly once and a stream's in order, but for
  /// baselines, which tell nothing new; whole
  /// commits, at least one if there is any, and no more than needed for `limit` events. Nothing that commits later
  /// ever appears behind a cursor that was given out (invariant 16).
  [[nodiscard]] virtual Result<TailPage> tail(TailCursor cursor, std::size_t limit) = 0;

  /// What cursors are sealed with: one for all instances, kept as long as nobody removes it from the store. Never
  /// blocks. Error: store_unavailable while it could not be read, or made, yet.
  [[nodiscard]] virtual Result<CursorKey> cursor_key() = 0;

  /// Whether the store answers, for /health.
  [[nodiscard]] virtual Result<void> ping() = 0;
};

}  // namespace pebbles::store
