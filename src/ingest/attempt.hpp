#pragma once
#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "ingest/pending.hpp"
#include "store/event_store.hpp"

/// What a lane decides for one stream of a batch, without I/O.
namespace pebbles::ingest {

/// The updates of one stream on their way through a batch. Those before `next` have their outcome.
struct Group {
  store::StreamId stream;
  std::vector<Pending> pendings;
  std::size_t next = 0;
  store::SnapshotPtr state;
  bool loaded = false;
  bool with_log = false;       ///< how to load: the cached or stored state was not the newest, or may not be
  bool one_at_a_time = false;  ///< the store refused a chunk: find out which update it cannot take
  int conflicts = 0;
  std::vector<std::optional<domain::KeyHit>> hits;  ///< of `open()`; empty when nothing was looked up

  [[nodiscard]] std::span<Pending> open() { return std::span{pendings}.subspan(next); }
  [[nodiscard]] std::span<const Pending> open() const { return std::span{pendings}.subspan(next); }
  [[nodiscard]] bool done() const { return next == pendings.size(); }
  /// A key was found in an event that `state` does not have yet: another instance has gone on.
  [[nodiscard]] bool is_behind() const {
    return std::ranges::any_of(hits, [&](const auto& hit) { return hit && hit->version > state->progress.version; });
  }
};

/// What one round decided for the first `outcomes.size()` updates of a group.
struct Attempt {
  bool behind = false;    ///< nothing was decided: the state has to be loaded again
  bool unproved = false;  ///< nothing is told: it was judged by a state that may be over
  std::vector<Outcome> outcomes;
  std::optional<store::Append> append;  ///< absent when nothing was accepted
  GatePtr gate;  ///< there when updates of a log were refused: what follows waits for their dead letters
};

/// The key of an update; null when it has none.
[[nodiscard]] const domain::EventKey* key_of(const Pending& pending);

/// The newest state, from a snapshot and the chunks behind it. Error: store_corrupt at a gap (invariant 2).
[[nodiscard]] Result<store::SnapshotPtr> catch_up(const store::StreamId& stream, const store::Loaded& loaded);

struct AttemptOptions {
  store::Token token;          ///< of the chunk, if there is one
  std::function<void()> wake;  ///< for its gate, if there is one
};

/// Decides the open updates of a group in their order and folds them into its state, as far as one chunk has room for
/// them, and no further than to what may only be stored behind a dead letter. Updates of an ended epoch are dropped.
[[nodiscard]] Attempt attempt(const Group& group, const AttemptOptions& options);

}  // namespace pebbles::ingest
