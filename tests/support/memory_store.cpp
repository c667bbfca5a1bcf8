#include "support/memory_store.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "store/event_page.hpp"

namespace pebbles::support {

using store::Append;
using store::AppendOutcome;
using store::Chunk;
using store::Loaded;
using store::LoadMode;
using store::Snapshot;
using store::SnapshotPtr;
using store::StreamId;
using store::Version;

namespace {

Version version_of(const MemoryLog::Stream& stream) {
  if (stream.rows.empty()) return 0;
  const auto& chunk = stream.rows.rbegin()->second.chunk;
  return chunk.first + static_cast<Version>(chunk.events.size()) - 1;
}

bool usable(const SnapshotPtr& snapshot) { return snapshot && snapshot->fold == domain::fold_number; }

/// A snapshot that no load gives has no rev that anybody could know.
std::int64_t rev_of(const SnapshotPtr& snapshot) { return usable(snapshot) ? snapshot->rev : 0; }

/// The snapshot, if the present fold made it, and the log behind it.
SnapshotPtr newest(const StreamId& id, const MemoryLog::Stream& stream) {
  if (usable(stream.snapshot) && stream.snapshot->progress.version == version_of(stream)) return stream.snapshot;
  auto state = usable(stream.snapshot) ? std::make_shared<Snapshot>(*stream.snapshot) : std::make_shared<Snapshot>();
  state->stream = id;
  state->rev = rev_of(stream.snapshot);
  for (auto row = stream.rows.upper_bound(state->head.first); row != stream.rows.end(); ++row) {
    const auto& chunk = row->second.chunk;
    for (const auto& event : chunk.events) state->progress = evolve(std::move(state->progress), event);
    state->head = head_behind(chunk);
  }
  return state;
}

}  // namespace

std::int64_t MemoryLog::open() {
  const std::lock_guard lock{mutex_};
  open_.insert(++last_at_);
  return last_at_;
}

void MemoryLog::close(std::int64_t at) {
  const std::lock_guard lock{mutex_};
  open_.erase(at);
}

AppendOutcome MemoryLog::insert(const Append& append, std::int64_t at, bool late) {
  const std::lock_guard lock{mutex_};
  const StreamId& id = append.after->stream;
  const auto known = streams_.find(id);
  const Chunk& chunk = append.chunk;
  const Version version = known == streams_.end() ? 0 : version_of(known->second);
  if (append.expected() != version && !(broken.version_is_not_checked && append.expected() < version))
    return AppendOutcome::conflict;
  if (known != streams_.end()) {
    const auto& stream = known->second;
    if (!late && rev_of(append.before) != rev_of(stream.snapshot)) return AppendOutcome::conflict;
    if (!broken.key_index_is_missing)
      for (const auto& event : chunk.events)
        if (event.key && stream.keys.contains(event.key->hash)) return AppendOutcome::conflict;
  }
  Stream& stream = streams_[id];
  for (const auto& event : chunk.events)
    if (event.key) stream.keys.emplace(event.key->hash, domain::KeyHit{event.version, event.key->fingerprint});
  stream.rows.insert_or_assign(chunk.first, Row{.at = at, .chunk = chunk, .text = append.text});
  order_[at].emplace_back(id, chunk.first);
  return AppendOutcome::stored;
}

void MemoryLog::follow(const Append& append) {
  const std::lock_guard lock{mutex_};
  SnapshotPtr& snapshot = streams_[append.after->stream].snapshot;
  const bool forward = !usable(snapshot) || (snapshot->progress.version < append.after->progress.version &&
                                             snapshot->rev == append.after->rev);
  if (forward || broken.snapshot_moves_back) snapshot = append.after;
}

void MemoryLog::linger(Append append, bool holds_place) {
  lingering_.push_back({.append = std::move(append), .place = {}});
  if (holds_place) lingering_.back().place.emplace(*this);
}

std::size_t MemoryLog::lingering() const { return lingering_.size(); }

bool MemoryLog::land(std::size_t index) {
  auto [append, place] = std::move(lingering_[index]);
  lingering_.erase(lingering_.begin() + static_cast<std::ptrdiff_t>(index));
  if (!place) place.emplace(*this);
  if (insert(append, place->at(), true) != AppendOutcome::stored) return false;
  follow(append);
  return true;
}

void MemoryLog::drop(std::size_t index) {
  const auto gone = std::move(lingering_[index]);
  lingering_.erase(lingering_.begin() + static_cast<std::ptrdiff_t>(index));
}

void MemoryLog::sweep() {
  const std::lock_guard lock{mutex_};
  for (auto& [id, stream] : streams_)
    if (!stream.snapshot || stream.snapshot->progress.version < version_of(stream))
      stream.snapshot = newest(id, stream);
}

bool MemoryLog::rebuild(const StreamId& id) {
  const std::lock_guard lock{mutex_};
  const auto known = streams_.find(id);
  if (known == streams_.end()) return false;
  auto& stream = known->second;
  if (!stream.snapshot || stream.snapshot->progress.version != version_of(stream)) return false;
  Stream log{.rows = stream.rows, .keys = {}, .snapshot = {}};
  auto folded = std::make_shared<Snapshot>(*newest(id, log));
  folded->rev = stream.snapshot->rev + 1;
  stream.snapshot = std::move(folded);
  return true;
}

Loaded MemoryLog::load(const StreamId& id, LoadMode mode) const {
  const std::lock_guard lock{mutex_};
  const auto known = streams_.find(id);
  if (known == streams_.end()) return {};
  const auto& stream = known->second;
  Loaded loaded;
  if (usable(stream.snapshot)) loaded.snapshot = stream.snapshot;
  if (loaded.snapshot && (mode == LoadMode::snapshot_only || broken.log_is_not_read)) return loaded;
  const Version head = loaded.snapshot ? loaded.snapshot->head.first : 0;
  for (auto row = stream.rows.upper_bound(head); row != stream.rows.end(); ++row)
    loaded.after.push_back(row->second.chunk);
  return loaded;
}

std::optional<domain::KeyHit> MemoryLog::find_key(const store::KeyQuery& query) const {
  const std::lock_guard lock{mutex_};
  const auto known = streams_.find(query.stream);
  if (known == streams_.end()) return std::nullopt;
  const auto hit = known->second.keys.find(query.hash);
  return hit == known->second.keys.end() ? std::nullopt : std::optional{hit->second};
}

std::optional<store::Token> MemoryLog::find_token(const store::ChunkQuery& query) const {
  const std::lock_guard lock{mutex_};
  const auto known = streams_.find(query.stream);
  if (known == streams_.end()) return std::nullopt;
  const auto row = known->second.rows.find(query.first);
  if (row == known->second.rows.end()) return std::nullopt;
  return broken.tokens_are_lost ? store::Token{} : row->second.chunk.token;
}

Result<store::TailPage> MemoryLog::tail(store::TailCursor cursor, std::size_t limit) const {
  const std::lock_guard lock{mutex_};
  const auto horizon = horizon_locked();
  store::TailPage page{.entries = {}, .next = cursor};
  for (auto batch = order_.upper_bound(cursor);
       batch != order_.end() && batch->first <= horizon && page.entries.size() < limit; ++batch) {
    for (const auto& [id, first] : batch->second)
      for (const auto& event : streams_.at(id).rows.at(first).chunk.events) page.entries.push_back({id, event});
    page.next = batch->first;
  }
  return page;
}

std::int64_t MemoryLog::horizon_locked() const {
  const bool none_open = open_.empty() || broken.horizon_is_ignored;
  return none_open ? last_at_ : *open_.begin() - 1;
}

std::int64_t MemoryLog::horizon() const {
  const std::lock_guard lock{mutex_};
  return horizon_locked();
}

Result<store::FeedPage> MemoryLog::feed(const domain::ClientKrn& client, const store::FeedQuery& query) const {
  const std::lock_guard lock{mutex_};
  store::FeedPageMaker page{query};
  const auto last = std::min(horizon_locked(), query.until.value_or(std::numeric_limits<std::int64_t>::max()));
  const auto& [place, given] = query.after;
  for (auto batch = given > 0 ? order_.lower_bound(place) : order_.upper_bound(place);
       batch != order_.end() && batch->first <= last; ++batch) {
    for (const auto& [id, first] : batch->second) {
      if (id.client != client) continue;
      if (!page.add(batch->first, id.filename, streams_.at(id).rows.at(first).text))
        return std::move(page).finish(true);
    }
  }
  return std::move(page).finish(false);
}

void MemoryLog::visit(const std::function<void(const StreamId&, const Stream&)>& each) const {
  const std::lock_guard lock{mutex_};
  for (const auto& [id, stream] : streams_) each(id, stream);
}

const MemoryLog::Stream* MemoryLog::find(const StreamId& stream) const {
  const auto known = streams_.find(stream);
  return known == streams_.end() ? nullptr : &known->second;
}

void MemoryStore::pass(Moment moment) const {
  if (at_moment) at_moment(moment);
}

double MemoryStore::draw() { return static_cast<double>(random_() >> 11U) * 0x1p-53; }

Result<std::vector<Loaded>> MemoryStore::load(std::span<const StreamId> streams, LoadMode mode) {
  pass(Moment::before_load);
  if (draw() < faults.away) return failure(Errc::store_unavailable, "the memory store is away");
  std::vector<Loaded> loaded;
  for (const auto& stream : streams) {
    loaded.push_back(log_.load(stream, mode));
    if (log_.broken.keys_are_looked_up_first) {
      const auto& back = loaded.back();
      const Version snapshot = back.snapshot ? back.snapshot->progress.version : 0;
      loaded_[stream] = back.after.empty() ? snapshot : back.after.back().events.back().version;
    }
  }
  return loaded;
}

Result<std::vector<std::optional<domain::KeyHit>>> MemoryStore::find_keys(std::span<const store::KeyQuery> queries) {
  if (!log_.broken.keys_are_looked_up_first) pass(Moment::before_find_keys);
  if (draw() < faults.away) return failure(Errc::store_unavailable, "the memory store is away");
  std::vector<std::optional<domain::KeyHit>> hits;
  for (const auto& query : queries) {
    auto hit = log_.find_key(query);
    // As if the look-up had run just before the load: it misses the newest event that the load saw.
    if (hit && log_.broken.keys_are_looked_up_first && hit->version >= loaded_[query.stream]) hit.reset();
    hits.push_back(hit);
  }
  return hits;
}

Result<std::vector<std::optional<store::Token>>> MemoryStore::find_tokens(std::span<const store::ChunkQuery> queries) {
  pass(Moment::before_find_tokens);
  if (draw() < faults.away) return failure(Errc::store_unavailable, "the memory store is away");
  std::vector<std::optional<store::Token>> tokens;
  for (const auto& query : queries) tokens.push_back(log_.find_token(query));
  return tokens;
}

std::vector<AppendOutcome> MemoryStore::commit(std::span<const Append> batch) {
  pass(Moment::before_commit);
  ++commits;
  std::set<StreamId> streams;
  for (const auto& append : batch)
    PEBBLES_ASSERT(streams.insert(append.after->stream).second, "a batch has at most one append per stream");
  if (draw() < faults.away) return std::vector(batch.size(), AppendOutcome::not_stored);
  std::vector<AppendOutcome> outcomes;
  {
    const MemoryLog::Open open{log_};
    for (const auto& append : batch) outcomes.push_back(commit_one(append, open.at()));
  }
  pass(Moment::after_commit);
  return outcomes;
}

AppendOutcome MemoryStore::commit_one(const Append& append, std::int64_t at) {
  if (log_.refuses && log_.refuses(append)) return AppendOutcome::refused;
  const auto unknown = log_.broken.unknown_is_absent ? AppendOutcome::not_stored : AppendOutcome::unknown;
  double left = draw();
  const auto is = [&](double probability) { return (left -= probability) < 0; };
  if (is(faults.not_stored)) return AppendOutcome::not_stored;
  if (is(faults.unknown_never)) return unknown;
  if (is(faults.unknown_later)) {
    log_.linger(append, draw() < 0.5);
    return log_.broken.answers_before_commit ? AppendOutcome::stored : unknown;
  }
  if (is(faults.unknown_landed)) {
    (void)write(append, at);
    return unknown;
  }
  return write(append, at);
}

AppendOutcome MemoryStore::write(const Append& append, std::int64_t at) {
  const auto outcome = log_.insert(append, at);
  if (outcome != AppendOutcome::stored) return outcome;
  pass(Moment::after_chunk);
  if (draw() >= faults.snapshot_lost) log_.follow(append);
  return outcome;
}

Result<SnapshotPtr> MemoryReader::by_filename(const StreamId& stream) {
  SnapshotPtr found;
  log_.visit([&](const StreamId& id, const MemoryLog::Stream& kept) {
    if (id == stream) found = newest(id, kept);
  });
  return found && found->progress.exists() ? found : nullptr;
}

Result<SnapshotPtr> MemoryReader::by_id(const domain::ClientKrn& client, const domain::FileId& file) {
  SnapshotPtr found;
  log_.visit([&](const StreamId& id, const MemoryLog::Stream& kept) {
    if (id.client != client) return;
    if (auto state = newest(id, kept); state->progress.id == file && state->progress.exists()) found = state;
  });
  return found;
}

std::vector<SnapshotPtr> MemoryReader::of_client(const domain::ClientKrn& client) const {
  std::vector<SnapshotPtr> out;
  log_.visit([&](const StreamId& id, const MemoryLog::Stream& kept) {
    if (id.client != client) return;
    if (auto state = newest(id, kept); state->progress.exists()) out.push_back(std::move(state));
  });
  return out;
}

/// By the plainest way: all, in order, from the position on.
Result<store::ListPage> MemoryReader::list(const domain::ClientKrn& client, const store::ListQuery& query) {
  const auto place = [&](const SnapshotPtr& snapshot) { return position_of(query.sort.by, *snapshot); };
  auto files = of_client(client);
  std::erase_if(files,
                [&](const auto& f) { return query.after && !stands_before(query.sort, *query.after, place(f)); });
  std::ranges::sort(files, [&](const auto& a, const auto& b) { return stands_before(query.sort, place(a), place(b)); });
  std::optional<store::ListPosition> end;
  if (files.size() > query.examined_max) {
    files.resize(query.examined_max);
    end = place(files.back());
  }
  std::erase_if(files, [&](const auto& snapshot) { return !matches(query, store::facts_of(*snapshot)); });
  return make_page(query, std::move(files), std::move(end));
}

Result<store::ClientSummary> MemoryReader::summary(const domain::ClientKrn& client, Timestamp stalled_before) {
  store::ClientSummary out;
  for (const auto& snapshot : of_client(client)) {
    const auto& progress = snapshot->progress;
    count_files(out, store::state_of(progress), 1);
    if (!progress.completed && progress.updated_at < stalled_before) ++out.stalled;
  }
  return out;
}

Result<store::EventPage> MemoryReader::events(const StreamId& stream, Version after, const store::PageBounds& bounds) {
  store::EventPageMaker page{after, bounds};
  log_.visit([&](const StreamId& id, const MemoryLog::Stream& kept) {
    if (id != stream) return;
    for (const auto& [first, row] : kept.rows)
      if (!page.add(row.text)) return;
  });
  return page.finish();
}

Result<store::FeedPage> MemoryReader::client_events(const domain::ClientKrn& client, const store::FeedQuery& query) {
  return log_.feed(client, query);
}

Result<std::int64_t> MemoryReader::feed_end() { return log_.horizon(); }

Result<store::CursorKey> MemoryReader::cursor_key() {
  if (!log_.cursor_key) return failure(Errc::store_unavailable, "the memory store is away");
  return *log_.cursor_key;
}

Result<store::TailPage> MemoryReader::tail(store::TailCursor cursor, std::size_t limit) {
  return log_.tail(cursor, limit);
}

}  // namespace pebbles::support
