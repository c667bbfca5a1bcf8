#pragma once
#include <chrono>
#include <initializer_list>
#include <string_view>

#include "store/mongo/bulk.hpp"
#include "store/mongo/documents.hpp"
#include "store/mongo/shared.hpp"

/// What the parts of pruning share (log_cutter, covered_chunks, burial): a step, and small documents.
namespace pebbles::store::mongo {

[[nodiscard]] Timestamp seconds_of(ServerTime time);
[[nodiscard]] ServerTime server_time_of(Timestamp time);

/// One step of pruning, with a client of its own: how far it may go, and for how long. Threads: one. Lifetime: within
/// its lease's.
class PruneStep {
 public:
  /// Asks how far pruning may go at this moment. Error: store_unavailable.
  [[nodiscard]] static Result<PruneStep> begin(Shared& shared, const Lease& lease, const PruneWaits& waits);

  /// So many entries of an index are looked at at a time, and so many chunks are written.
  static constexpr std::int64_t page_max = 100;
  static constexpr std::int64_t portion_max = 25;

  /// Asked before each piece of work: a step does one at least, and others while there is time.
  [[nodiscard]] bool takes_another() { return !is_spent() && (began_ = true); }
  /// Asked within one, where it can be left for the next step.
  [[nodiscard]] bool is_spent() const { return began_ && std::chrono::steady_clock::now() >= end_; }

  [[nodiscard]] mongoc_collection_t* events() const { return events_.get(); }
  [[nodiscard]] mongoc_collection_t* progress() const { return progress_.get(); }
  [[nodiscard]] const PruneWaits& waits() const { return waits_; }
  /// The database's clock, when the step began.
  [[nodiscard]] Timestamp now() const { return now_; }
  /// What stands before it is nobody's open business any more.
  [[nodiscard]] ServerTime settled() const { return settled_; }
  /// Only chunks that were written before it are cut.
  [[nodiscard]] ServerTime old() const { return old_; }
  /// A chunk of that time may be sent again: its keys stay.
  [[nodiscard]] bool is_young(ServerTime at) const { return seconds_of(at) + waits_.keys > now_; }

 private:
  PruneStep(Shared& shared, const Lease& lease, const Shared::Settled& times, const PruneWaits& waits,
            std::chrono::steady_clock::time_point end);

  Collection events_;
  Collection progress_;
  PruneWaits waits_;
  Timestamp now_;
  ServerTime settled_;
  ServerTime old_;
  std::chrono::steady_clock::time_point end_;
  bool began_ = false;
};

/// Writes what was collected, if anything was. Error: store_unavailable.
[[nodiscard]] Result<BulkReply> execute(Writes& writes);

/// The filter of one chunk.
[[nodiscard]] Bson only_id(const StreamId& stream, Version first);
/// {hint: {_id: 1}}
[[nodiscard]] Bson by_id();
/// {$set: …, $unset: …}, without what is empty.
[[nodiscard]] Bson change_of(const Bson& set, std::initializer_list<std::string_view> unset);
/// The members `keys` and `kept` of a chunk whose events go.
void append_keys(Bson& out, const std::vector<KeptKey>& keys);

}  // namespace pebbles::store::mongo
