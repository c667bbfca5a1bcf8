#include "store/mongo/log_cutter.hpp"

#include <algorithm>
#include <utility>

#include "store/log_format.hpp"
#include "store/maintenance.hpp"
#include "store/mongo/queries.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::store::mongo {
namespace {

/// Chunks that one step folds into a baseline; behind it the next step goes on.
constexpr std::size_t folded_bytes_max = 16UL << 20U;
constexpr std::int64_t folded_chunks_max = 1000;
/// And so many even where its time is over: finding a log and writing its baseline takes longer.
constexpr std::int64_t folded_chunks_min = 10;
constexpr std::size_t folded_bytes_min = 64UL << 10U;

}  // namespace

LogCutter::LogCutter(PruneStep& step, ServerTime before) : step_{step}, old_{std::min(step.old(), before)} {}

Result<Pruned> LogCutter::cut_logs(LogRun& run, const Clients& clients, bool dry_run) {
  Pruned out;
  if (run.waiting.empty()) {
    PEBBLES_TRY(found, find_logs(run, clients));
    if (dry_run) {
      out = found;
      run.waiting.clear();
    }
  }
  for (; !run.waiting.empty() && step_.takes_another(); run.waiting.pop_front()) {
    const auto& log = run.waiting.front();
    PEBBLES_TRY(done, cut(log.stream, log.up_to));
    if (done.events > 0) ++out.logs;
    out.events += done.events;
    if (done.version < log.end && done.events > 0) break;  // of a long log a part
  }
  out.more = !run.waiting.empty() || !run.is_last;
  return out;
}

/// Looks at the next page of old chunks; gives what cutting their logs will come to.
Result<Pruned> LogCutter::find_logs(LogRun& run, const Clients& clients) const {
  Pruned out;
  PEBBLES_TRY(page, old_chunks(run, clients));
  std::vector<StreamId> streams;
  for (const auto& stored : page)
    if (clients.hold(stored.stream.client)) streams.push_back(stored.stream);
  PEBBLES_TRY(places, find_places(step_.progress(), streams));
  PEBBLES_TRY(covered, versions_of_cuts(streams));
  for (const auto& stored : page) {
    const auto& stream = stored.stream;
    const auto place = places.find(stream);
    const auto cut = covered.find(stream);
    const auto end = stored.chunk.first + stored.events - 1;
    // Of a deleted file `bury` takes the log; where the snapshot is not as far, nothing is cut that it may need.
    if (place == places.end() || place->second.is_deleted || end > place->second.version) continue;
    if (cut == covered.end() || stored.chunk.first <= cut->second) continue;
    out.logs += cut->second + 1 == stored.chunk.first ? 1 : 0;
    out.events += stored.events;
    const auto known = std::ranges::find(run.waiting, stream, &LogRun::Log::stream);
    if (known == run.waiting.end())
      run.waiting.push_back({.stream = stream, .up_to = place->second.version, .end = end});
    else
      known->end = std::max(known->end, end);
  }
  return out;
}

/// The next page of what was written before `old_`, without the texts. Chunks of clients that are not meant are in it
/// too: else a step could have to pass over any number of them.
Result<std::vector<StoredChunk>> LogCutter::old_chunks(LogRun& run, const Clients& clients) const {
  Bson range, filter, index, order, fields, options;
  append_time(range, "$gt", run.cursor);
  append_time(range, "$lt", old_);
  if (clients.only) filter.text("clientKrn", **clients.only);
  filter.document("at", range);
  order.small("at", 1);
  if (clients.only) {
    index.small("clientKrn", 1).small("at", 1).small("_id", 1);
    order.small("_id", 1);
  } else {
    index.small("at", 1);
  }
  for (const std::string_view name : {"_id", "format", "n", "at"}) fields.small(name, 1);
  options.document("sort", order)
      .document("hint", index)
      .document("projection", fields)
      .integer("limit", PruneStep::page_max);
  std::vector<StoredChunk> out;
  std::int64_t found = 0;
  PEBBLES_TRY_VOID(find(step_.events(), filter, options, [&](const bson_t* document) {
    ++found;
    if (auto stored = read_chunk(document)) out.push_back(*std::move(stored));
    return true;
  }));
  run.is_last = found < PruneStep::page_max || out.empty();  // a page of what cannot be read would come again
  if (!out.empty()) run.cursor = out.back().at;
  return out;
}

Result<std::unordered_map<StreamId, Version>> LogCutter::versions_of_cuts(std::span<const StreamId> streams) const {
  std::unordered_map<StreamId, Version> out;
  PEBBLES_TRY(cuts, find_cuts(step_.events(), streams));
  for (const auto& [stream, cut] : cuts) out.emplace(stream, cut ? cut->version : 0);
  return out;
}

/// A log that contradicts itself is left for `verify` to tell of.
LogCutter::Cutting LogCutter::leave(const StreamId& stream, std::string_view fault, Version version) {
  telemetry::load_failed(*stream.client, *stream.filename, fault);
  return Cutting{.version = version};
}

Result<LogCutter::Cutting> LogCutter::cut(const StreamId& stream, Version up_to) {
  Cutting out;
  auto found = find_beginning(step_.events(), stream);
  if (!found && found.error().code == Errc::store_corrupt) return leave(stream, found.error().detail, 0);
  if (!found) return std::unexpected{std::move(found).error()};
  if (!*found) return Cutting{.is_complete = true};
  auto& first = **found;
  out.version = first.stored.cut ? first.stored.cut->version : 0;
  Snapshot state;
  state.stream = stream;
  std::int64_t chunks = 0;
  std::size_t bytes = 0;
  std::optional<std::string> fault;
  /// False where folding ends.
  const auto take = [&](StoredChunk& stored) {
    const bool is_baseline = stored.cut.has_value();
    const auto end = is_baseline ? stored.cut->version : stored.chunk.first + stored.events - 1;
    if (end > up_to) {
      out.is_complete = true;
      return false;
    }
    if (!is_baseline && (stored.at == 0 || stored.at >= old_)) return false;
    fault = fold_proved(state, stored.chunk, stored.text, stored.events);
    if (fault) return false;
    if (is_baseline) return true;
    out.events += stored.events;
    bytes += stored.text.size();
    ++chunks;
    if (chunks < folded_chunks_min && bytes < folded_bytes_min) return true;
    return chunks < folded_chunks_max && bytes < folded_bytes_max && !step_.is_spent();
  };
  if (take(first.stored)) {
    Bson order, options;
    order.small("_id", 1);
    options.document("sort", order).document("hint", order).integer("batchSize", PruneStep::portion_max);
    bool ended = true;
    PEBBLES_TRY_VOID(
        find(step_.events(), chunks_from(stream, state.progress.version + 1), options, [&](const bson_t* document) {
          auto stored = read_chunk(document);
          if (!stored) fault = stored.error().detail;
          ended = false;
          if (!stored || !take(*stored)) return false;
          ended = true;
          return true;
        }));
    out.is_complete = out.is_complete || ended;
  }
  if (fault) return leave(stream, *fault, out.version);
  if (chunks == 0) return out;
  PEBBLES_TRY(stands, put_baseline(first, state));
  if (!stands) return Cutting{.version = out.version};  // another instance was faster
  out.version = state.progress.version;
  return out;
}

/// False where the log's beginning is another one by now.
Result<bool> LogCutter::put_baseline(const LogBeginning& first, const Snapshot& state) const {
  const auto& was = first.stored;
  const auto text = encode_events(std::vector{baseline_of(state)});
  const auto hash = hash_chunk(state.stream, was.chunk.first, 1, {}, text);
  const bool is_alive = state.progress.exists();
  const bool covers_others =
      was.cut ? state.progress.version > was.cut->version : state.progress.version >= was.chunk.first + was.events;
  Bson set, cut, type, clock, gone;
  cut.integer("version", state.progress.version).document("head", reference(state.head));
  set.small("n", 1).null("prev").binary("hash", hash).text("events", text).document("cut", cut);
  gone.text("at", "");
  // The first chunk's own keys stay with the baseline; those of the others in their places (`clear`).
  std::optional<Timestamp> keys_until;
  if (!was.cut) {
    const auto keys = keys_of(was.chunk);
    if (!keys.empty() && step_.is_young(was.at)) {
      append_keys(set, keys);
      keys_until = seconds_of(was.at) + step_.waits().keys;
    } else {
      gone.text("keys", "");
    }
  } else {
    keys_until = first.keys_until;
  }
  if (!is_alive) keys_until.reset();  // they stay as long as the tombstone
  if (keys_until)
    set.time("keysUntil", *keys_until);
  else
    gone.text("keysUntil", "");
  if (covers_others) {
    if (first.left == 0) set.integer("left", was.cut ? was.cut->version + 1 : 2);
    set.time("due", step_.now() + step_.waits().grace);
  } else if (keys_until) {
    set.time("due", *keys_until);
  }
  type.text("$type", "timestamp");
  clock.document("cutAt", type);
  Bson change;
  change.document("$set", set).document("$unset", gone).document("$currentDate", clock);
  Writes writes{step_.events(), nullptr};
  writes.update(first.filter(), change);
  PEBBLES_TRY(done, execute(writes));
  return done.matched == 1;
}

}  // namespace pebbles::store::mongo
