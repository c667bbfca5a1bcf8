#include "store/mongo/prune_step.hpp"

#include <algorithm>
#include <limits>

namespace pebbles::store::mongo {
namespace {

/// A step that finds more to do ends then.
constexpr std::chrono::milliseconds time_max{15};

}  // namespace

using std::chrono::seconds;
using std::chrono::steady_clock;

Timestamp seconds_of(ServerTime time) { return Timestamp{seconds{time >> 32U}}; }

ServerTime server_time_of(Timestamp time) {
  const auto count = std::chrono::floor<seconds>(time).time_since_epoch().count();
  return static_cast<ServerTime>(std::clamp<std::int64_t>(count, 0, std::numeric_limits<std::int32_t>::max())) << 32U;
}

Result<PruneStep> PruneStep::begin(Shared& shared, const Lease& lease, const PruneWaits& waits) {
  const auto began = steady_clock::now();
  PEBBLES_TRY(times, shared.settled(lease));
  return PruneStep{shared, lease, times, waits, began + time_max};
}

PruneStep::PruneStep(Shared& shared, const Lease& lease, const Shared::Settled& times, const PruneWaits& waits,
                     steady_clock::time_point end)
    : events_{shared.collection(lease, events_name)},
      progress_{shared.collection(lease, progress_name)},
      waits_{waits},
      now_{seconds_of(times.now)},
      settled_{times.settled},
      old_{std::min(settled_, server_time_of(now_ - waits_.age + seconds{1}))},
      end_{end} {}

Result<BulkReply> execute(Writes& writes) {
  BulkReply done;
  if (writes.empty()) return done;
  if (const auto fault = writes.execute(done)) return std::unexpected{fault->to_error()};
  return done;
}

Bson only_id(const StreamId& stream, Version first) {
  Bson out = stream_filter(stream);
  out.document("_id", chunk_id(stream, first));
  return out;
}

Bson by_id() {
  Bson index, out;
  index.small("_id", 1);
  out.document("hint", index);
  return out;
}

Bson change_of(const Bson& set, std::initializer_list<std::string_view> unset) {
  Bson gone, out;
  for (const auto name : unset) gone.text(name, "");
  if (!bson_empty(set.get())) out.document("$set", set);
  if (!bson_empty(gone.get())) out.document("$unset", gone);
  return out;
}

void append_keys(Bson& out, const std::vector<KeptKey>& keys) {
  BsonArray hashes;
  for (const auto& key : keys) hashes.add([&](Bson& array, std::string_view name) { array.binary(name, key.hash); });
  out.array("keys", hashes.get()).binary("kept", pack_kept(keys));
}

}  // namespace pebbles::store::mongo
