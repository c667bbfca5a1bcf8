#include "store/sqlite/writer.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <unordered_map>

#include <fmt/core.h>

#include "base/assert.hpp"
#include "base/crash_point.hpp"
#include "store/log_format.hpp"
#include "telemetry/telemetry.hpp"
#include "telemetry/unreadable.hpp"

namespace pebbles::store::sqlite {

using std::chrono::steady_clock;

namespace {

/// Index rows written out at a time: well under a millisecond, so that a new batch hardly waits.
constexpr std::size_t portion_rows_max = 100;

/// What was erased leaves the write-ahead log so long after that at the latest, however busy the lane is.
constexpr std::chrono::seconds erased_stay_max{60};

/// Rolls back unless `done()`.
class Transaction {
 public:
  Transaction(Statement& begin, Statement& rollback) : rollback_{&rollback} { begin.execute(); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() {
    if (rollback_ == nullptr) return;
    try {
      rollback_->execute();
    } catch (const Failure&) {  // SQLite has rolled back by itself, as it does for a full disk
    }
  }
  void done() noexcept { rollback_ = nullptr; }

 private:
  Statement* rollback_;
};

/// Commits are not synced while it lives. For what follows from the log: the next synced commit carries it along, and
/// a crash before that finds the log, which says it all.
class Unsynced {
 public:
  Unsynced(const Connection& connection, bool durable) : connection_{durable ? &connection : nullptr} {
    if (connection_ != nullptr) connection_->execute("PRAGMA synchronous=NORMAL");
  }
  Unsynced(const Unsynced&) = delete;
  Unsynced& operator=(const Unsynced&) = delete;
  ~Unsynced() {
    if (connection_ == nullptr) return;
    try {
      connection_->execute("PRAGMA synchronous=FULL");
    } catch (const Failure& failure) {
      fatal(fmt::format("commits cannot be made durable again: {}", failure.what()));
    }
  }

 private:
  const Connection* connection_;
};

/// After a failed fsync nobody knows what is on disk, and the system may claim success the next time: only a new start,
/// which reads the file again, is safe.
void end_if_sync_failed(const Failure& failure) {
  if (failure.code() == SQLITE_IOERR_FSYNC || failure.code() == SQLITE_IOERR_DIR_FSYNC)
    fatal(fmt::format("the store could not be synced to disk ({}); restart to read what is really there",
                      failure.what()));
}

std::vector<ShortDigest> key_hashes(const std::vector<domain::ProgressEvent>& events) {
  std::vector<ShortDigest> out;
  for (const auto& event : events)
    if (event.key) out.push_back(event.key->hash);
  return out;
}

bool kept_items_differ(const Snapshot* before, const Snapshot& after) {
  if (before == nullptr) return !after.progress.errors.first.empty() || !after.progress.warnings.first.empty();
  return before->progress.errors.first.size() != after.progress.errors.first.size() ||
         before->progress.warnings.first.size() != after.progress.warnings.first.size();
}

SnapshotPtr fold_on(const SnapshotPtr& before, const StreamId& stream, const StoredChunk& stored) {
  auto after = before ? std::make_shared<Snapshot>(*before) : std::make_shared<Snapshot>();
  after->stream = stream;
  if (!follows(stored.chunk, *after))
    throw Unreadable{fmt::format("the log of {} / {} has a gap before version {}", *stream.client, *stream.filename,
                                 stored.chunk.first)};
  for (const auto& event : stored.chunk.events) after->progress = evolve(std::move(after->progress), event);
  after->head = head_behind(stored.chunk);
  return after;
}

/// Whether a process that was killed left a write-ahead log: a run of pruning may have erased what it still has.
bool may_have_old_frames(const std::filesystem::path& database) {
  auto log = database;
  log += "-wal";
  std::error_code none;
  const auto bytes = std::filesystem::file_size(log, none);
  return !none && bytes > 0;
}

}  // namespace

Writer::Writer(std::shared_ptr<Shared> shared)
    : shared_{std::move(shared)},
      recent_{shared_->recent},
      connection_{open_writer(shared_->open_options())},
      rows_{connection_},
      snapshot_writer_{connection_},
      cutter_{connection_, rows_, recent_, shared_->options.deletions_stay},
      begin_{connection_.prepare("BEGIN IMMEDIATE")},
      commit_{connection_.prepare("COMMIT")},
      rollback_{connection_.prepare("ROLLBACK")},
      insert_stream_{connection_.prepare("INSERT INTO streams(client, filename) VALUES(?,?)")},
      insert_chunk_{connection_.prepare("INSERT INTO progress_events VALUES(?,?,?,?,?,?,?,?,?,?,?)")},
      insert_stream_chunk_{connection_.prepare("INSERT INTO stream_chunks VALUES(?,?,?)")},
      insert_key_{connection_.prepare("INSERT INTO event_keys VALUES(?,?,?)")},
      set_indexed_seq_{connection_.prepare("UPDATE meta SET value=? WHERE name='indexed_seq'")},
      standing_{connection_.prepare("SELECT version, rev, head_version, head FROM progress WHERE stream=?")} {
  sqlite3_wal_hook(
      connection_.get(),
      [](void* pages, sqlite3*, const char*, int count) {
        *static_cast<int*>(pages) = count;
        return SQLITE_OK;
      },
      &wal_pages_);
  if (may_have_old_frames(shared_->options.path)) erased_since_ = steady_clock::now();
  replay();
  learn_cursor_key();
}

/// A disk that is full stops no start: reads without cursors can be served, and the key is stored when there is room.
void Writer::learn_cursor_key() {
  try {
    shared_->cursor_key.learn(connection_);
  } catch (const Failure& failure) {
    end_if_sync_failed(failure);
    if (failure.primary() == SQLITE_CORRUPT) throw;
    telemetry::read_failed(fmt::format("the key of cursors cannot be stored: {}", failure.what()));
  }
}

Writer::~Writer() {
  shared_->jobs.close();
  try {
    write_out_all();
    // Empties the write-ahead log too, so that the database file alone is a whole backup, and none of a later run can
    // be replayed into one that was put back.
    const auto alone = shared_->gate.enter_alone();
    checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
  } catch (const Failure& failure) {  // the log holds everything: the next start replays it
    end_if_sync_failed(failure);
    telemetry::checkpoint_failed(failure.what());
  }
}

void Writer::replay() {
  const auto start = std::chrono::steady_clock::now();
  // Never a number twice, though its row is gone: it may have been given out as a position.
  next_seq_ = connection_.integer_of(
                  "SELECT max(ifnull((SELECT max(seq) FROM progress_events), 0), "
                  "(SELECT max(value) FROM meta))") +
              1;
  auto statement = connection_.prepare(
      fmt::format("SELECT {}, e.stream, s.client, s.filename FROM progress_events e LEFT JOIN streams s USING(stream) "
                  "WHERE e.seq > (SELECT value FROM meta WHERE name='indexed_seq') ORDER BY e.seq",
                  chunk_columns));
  auto rows = statement.run();
  std::int64_t replayed = 0;
  for (; rows.next(); ++replayed) {
    if (rows.is_null(11)) throw Failure{SQLITE_CORRUPT, "a chunk belongs to no stream"};
    auto stored = read_chunk(rows);
    decode(stored);
    replay_chunk(rows.integer(10),
                 {domain::ClientKrn{std::string{rows.text(11)}}, domain::Filename{std::string{rows.text(12)}}},
                 std::move(stored));
  }
  const auto took = std::chrono::steady_clock::now() - start;
  telemetry::store_opened(shared_->options.path, replayed,
                          std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
}

/// Null for one that cannot be read: the log says the same. A damaged row stops no start.
SnapshotPtr Writer::readable_snapshot(std::int64_t row) {
  try {
    return rows_.snapshot(row);
  } catch (const Unreadable& why) {
    telemetry::record_unreadable("", "", why.what());
    return nullptr;
  }
}

void Writer::replay_chunk(std::int64_t row, StreamId stream, StoredChunk stored) {
  const auto* recent = recent_.find(stream);
  SnapshotPtr before = recent != nullptr ? recent->latest : readable_snapshot(row);
  if (recent == nullptr && (!before || before->fold != domain::fold_number)) {
    before = nullptr;
    for (auto& earlier : rows_.chunks(row, 0)) {
      decode(earlier);
      before = fold_on(before, stream, earlier);
    }
  }
  const bool folded = before && stored.chunk.first <= before->progress.version;
  const bool indexed = rows_.seq_of_chunk(row, stored.chunk.first).has_value();
  if (folded && indexed) return;
  RecentStreams::Change change{
      .row = row,
      .after = folded ? before : fold_on(before, stream, stored),
      .chunk = {.first = stored.chunk.first, .seq = stored.seq, .keys = key_hashes(stored.chunk.events)},
      .items_changed = true};
  // An indexed chunk of a stream whose snapshot was lost is folded in, but not indexed twice.
  if (indexed) {
    snapshot_writer_.write(row, *change.after, true);
    return;
  }
  std::vector<RecentStreams::Change> changes;
  changes.push_back(std::move(change));
  recent_.apply({}, std::move(changes));
}

Result<std::vector<Loaded>> Writer::load(std::span<const StreamId> streams, LoadMode mode) {
  return guarded([&] {
    std::vector<Loaded> out;
    out.reserve(streams.size());
    for (const auto& stream : streams) {
      try {
        out.push_back(load_one(stream, mode));
      } catch (const Unreadable& why) {
        out.push_back({.snapshot = nullptr, .rev = 0, .after = {}, .unreadable = why.what()});
      }
    }
    return out;
  });
}

Loaded Writer::load_one(const StreamId& stream, LoadMode mode) {
  if (const auto* recent = recent_.find(stream)) return {.snapshot = recent->latest, .rev = 0, .after = {}};
  const auto row = rows_.row_of(stream);
  if (!row) return {};
  Loaded out{.snapshot = rows_.snapshot(*row), .rev = 0, .after = {}};
  if (out.snapshot && out.snapshot->fold != domain::fold_number) {
    out.rev = out.snapshot->rev;
    out.snapshot = nullptr;
  }
  if (!out.snapshot && out.rev == 0)
    if (const auto last = rows_.last_chunk(*row)) out.snapshot = told_by(stream, last->chunk);
  if (out.snapshot && mode == LoadMode::snapshot_only) return out;
  for (auto& stored : rows_.chunks(*row, out.snapshot ? out.snapshot->progress.version : 0)) {
    decode(stored);
    out.after.push_back(std::move(stored.chunk));
  }
  return out;
}

/// Each chunk is read once, however many of its keys are asked for: a batch that is sent again asks for all of them.
Result<std::vector<std::optional<domain::KeyHit>>> Writer::find_keys(std::span<const KeyQuery> queries) {
  return guarded([&] {
    std::vector<std::optional<domain::KeyHit>> out(queries.size());
    std::vector<KeyPlace> places;
    for (std::size_t i = 0; i < queries.size(); ++i)
      if (const auto seq = find_key(queries[i], out[i])) places.push_back({.seq = *seq, .query = i});
    std::ranges::sort(places, {}, &KeyPlace::seq);
    for (auto begin = places.cbegin(); begin != places.cend();) {
      const auto end = std::ranges::upper_bound(begin, places.cend(), begin->seq, {}, &KeyPlace::seq);
      read_keys({begin, end}, queries, out);
      begin = end;
    }
    return out;
  });
}

std::optional<std::int64_t> Writer::find_key(const KeyQuery& query, std::optional<domain::KeyHit>& kept) {
  const auto* recent = recent_.find(query.stream);
  const auto row = recent != nullptr ? std::optional{recent->row} : rows_.row_of(query.stream);
  if (!row) return std::nullopt;
  std::optional<std::int64_t> seq;
  if (recent != nullptr)
    if (const auto found = recent->keys.find(query.hash); found != recent->keys.end()) seq = found->second;
  if (!seq) seq = rows_.seq_of_key(*row, query.hash);
  if (!seq) kept = rows_.kept_key(*row, query.hash);
  if (!seq && !kept) known_absent_.insert({*row, query.hash});
  return seq;
}

void Writer::read_keys(std::span<const KeyPlace> places, std::span<const KeyQuery> queries,
                       std::span<std::optional<domain::KeyHit>> hits) {
  auto stored = rows_.chunk_at(places.front().seq);
  if (!stored) throw Failure{SQLITE_CORRUPT, "a key names a chunk that is not there"};
  decode(*stored);
  std::unordered_map<domain::ShortDigest, domain::KeyHit, domain::DigestHash> keys;
  for (const auto& event : stored->chunk.events)
    if (event.key) keys.emplace(event.key->hash, domain::KeyHit{event.version, event.key->fingerprint});
  for (const auto& place : places) {
    const auto found = keys.find(queries[place.query].hash);
    if (found == keys.end()) throw Failure{SQLITE_CORRUPT, "a key names a chunk that does not hold it"};
    hits[place.query] = found->second;
  }
}

Result<std::vector<std::optional<Token>>> Writer::find_tokens(std::span<const ChunkQuery> queries) {
  return guarded([&] {
    std::vector<std::optional<Token>> out;
    for (const auto& query : queries) {
      std::optional<std::int64_t> seq;
      if (const auto* recent = recent_.find(query.stream)) {
        const auto found = std::ranges::find(recent->chunks, query.first, &RecentChunk::first);
        if (found != recent->chunks.end()) seq = found->seq;
      }
      if (const auto row = seq ? std::nullopt : rows_.row_of(query.stream)) seq = rows_.seq_of_chunk(*row, query.first);
      const auto stored = seq ? rows_.chunk_at(*seq) : std::nullopt;
      out.push_back(stored ? std::optional{stored->chunk.token} : std::nullopt);
    }
    return out;
  });
}

std::vector<AppendOutcome> Writer::commit(std::span<const Append> batch) {
  std::vector<AppendOutcome> outcomes(batch.size(), AppendOutcome::not_stored);
  try {
    Transaction transaction{begin_, rollback_};
    PEBBLES_CRASH_POINT("after-begin");
    const auto& options = shared_->options;
    std::vector<RecentStreams::Change> changes;
    changes.reserve(batch.size());
    std::int64_t seq = next_seq_;
    std::size_t rows = 0;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      outcomes[i] = append(batch[i], seq, changes);
      if (outcomes[i] != AppendOutcome::stored) continue;
      ++seq;
      rows += changes.back().chunk.rows();
    }
    PEBBLES_CRASH_POINT("after-chunks");
    const auto due = rows_due(rows);
    const auto written = write_out(due, options.recent_bytes_max);
    PEBBLES_CRASH_POINT("before-store-commit");
    commit_.execute();
    transaction.done();
    PEBBLES_CRASH_POINT("after-store-commit");
    next_seq_ = seq;
    if (due > 0) rows_owed_ = 0;
    settle_in_memory(written, std::move(changes));
    note_commit(true, {});
  } catch (const Failure& failure) {
    end_if_sync_failed(failure);
    outcomes.assign(batch.size(), AppendOutcome::not_stored);
    note_commit(false, failure.what());
  }
  known_absent_.clear();
  return outcomes;
}

/// For a lane without pauses: while more than three quarters of what is allowed wait, twice what comes in goes out. It
/// is saved up until a whole stream can go: its rows lie side by side, so that they cost few pages.
std::size_t Writer::rows_due(std::size_t rows_in) {
  if (recent_.row_count() > shared_->options.recent_rows_max / 4 * 3) rows_owed_ += 2 * rows_in;
  if (recent_.by_age().empty()) rows_owed_ = 0;  // upkeep was quicker
  if (rows_owed_ == 0) return 0;
  const auto& oldest = *recent_.find(recent_.by_age().begin()->second);
  return rows_owed_ >= std::min(oldest.rows(), portion_rows_max) ? rows_owed_ : 0;
}

Writer::Standing Writer::standing_of(const StreamId& stream) {
  if (const auto* recent = recent_.find(stream))
    return {.row = recent->row,
            .version = recent->latest->progress.version,
            .rev = recent->latest->rev,
            .head = recent->latest->head,
            .recent = recent};
  const auto row = rows_.row_of(stream);
  if (!row) return {};
  auto rows = standing_.run(*row);
  if (rows.next())
    return {.row = *row,
            .version = rows.integer(0),
            .rev = rows.integer(1),
            .head = {.first = rows.integer(2), .hash = array_of<32>(rows.blob(3))}};
  // The file was deleted, or its snapshot was thrown away; the log knows.
  const auto last = rows_.last_chunk(*row);
  if (!last) return {.row = *row};
  return {.row = *row, .version = last->chunk.events.back().version, .head = head_behind(last->chunk)};
}

bool Writer::key_is_taken(const Standing& standing, const ShortDigest& hash) {
  if (standing.row == 0 || known_absent_.contains({standing.row, hash})) return false;
  if (standing.recent != nullptr && standing.recent->keys.contains(hash)) return true;
  return rows_.seq_of_key(standing.row, hash) || rows_.kept_key(standing.row, hash);
}

AppendOutcome Writer::append(const Append& append, std::int64_t seq, std::vector<RecentStreams::Change>& changes) {
  const StreamId& stream = append.after->stream;
  Standing standing = standing_of(stream);
  if (standing.version != append.expected()) return AppendOutcome::conflict;
  if (append.before && append.before->rev != standing.rev) return AppendOutcome::conflict;
  // A state from before the stream's tombstone went, of which another log has come to the same version.
  if (append.chunk.prev != standing.head) return AppendOutcome::conflict;
  auto keys = key_hashes(append.chunk.events);
  for (const auto& key : keys)
    if (key_is_taken(standing, key)) return AppendOutcome::conflict;
  if (append.text.size() > chunk_bytes_max) return AppendOutcome::refused;

  if (standing.row == 0) {
    insert_stream_.execute(std::string_view{*stream.client}, std::string_view{*stream.filename});
    standing.row = sqlite3_last_insert_rowid(connection_.get());
  }
  const auto& chunk = append.chunk;
  const auto prev_hash = chunk.prev.first != 0 ? std::optional{Blob{chunk.prev.hash}} : std::nullopt;
  insert_chunk_.execute(seq, standing.row, chunk.first, static_cast<std::int64_t>(chunk.events.size()), log_format,
                        chunk.prev.first, prev_hash, Blob{chunk.hash}, static_cast<std::int64_t>(chunk.token.writer),
                        static_cast<std::int64_t>(chunk.token.sequence), std::string_view{append.text});
  changes.push_back({.row = standing.row,
                     .after = append.after,
                     .chunk = {.first = chunk.first, .seq = seq, .keys = std::move(keys)},
                     .items_changed = kept_items_differ(append.before.get(), *append.after)});
  return AppendOutcome::stored;
}

void Writer::settle_in_memory(const std::vector<RecentStreams::Written>& written,
                              std::vector<RecentStreams::Change> changes) {
  for (const auto& part : written) shared_->cache.written_out(recent_.find(part.stream)->latest);
  recent_.apply(written, std::move(changes));
}

std::vector<RecentStreams::Written> Writer::write_out(std::size_t rows_min, std::size_t bytes_left_max) {
  std::vector<RecentStreams::Written> out;
  std::size_t rows = 0;
  std::size_t bytes = recent_.bytes();
  // What the crash of this process would have to replay starts with the first chunk that stays.
  std::int64_t indexed_seq = next_seq_ - 1;
  for (const auto& [oldest_seq, stream] : recent_.by_age()) {
    if (rows >= rows_min && bytes <= bytes_left_max) {
      indexed_seq = std::min(indexed_seq, oldest_seq - 1);
      break;
    }
    const auto& recent = *recent_.find(stream);
    const auto rows_max = bytes > bytes_left_max ? SIZE_MAX : rows_min - rows;
    auto written = write_out(recent, rows_max);
    for (std::size_t i = 0; i < written.chunks; ++i) rows += recent.chunks[i].rows();
    if (written.chunks < recent.chunks.size())
      indexed_seq = std::min(indexed_seq, recent.chunks[written.chunks].seq - 1);
    else
      bytes -= recent.bytes;
    out.push_back(std::move(written));
  }
  if (!out.empty()) set_indexed_seq_.execute(indexed_seq);
  return out;
}

RecentStreams::Written Writer::write_out(const RecentStream& recent, std::size_t rows_max) {
  std::size_t rows = 0;
  std::size_t chunks = 0;
  std::vector<std::pair<ShortDigest, std::int64_t>> keys;
  for (; chunks < recent.chunks.size() && rows < rows_max; ++chunks) {
    const RecentChunk& chunk = recent.chunks[chunks];
    rows += chunk.rows();
    insert_stream_chunk_.execute(recent.row, chunk.first, chunk.seq);
    for (const auto& key : chunk.keys) keys.emplace_back(key, chunk.seq);
  }
  std::ranges::sort(keys);  // neighbours share a page
  for (const auto& [key, seq] : keys) insert_key_.execute(recent.row, Blob{key}, seq);
  snapshot_writer_.write(recent.row, *recent.latest, recent.items_changed);
  if (recent.deleted && recent.deleted != recent.latest) snapshot_writer_.mark_deleted(recent.row, *recent.deleted);
  return {.stream = recent.latest->stream, .chunks = chunks};
}

void Writer::write_out_all() {
  while (!recent_.by_age().empty()) {
    Transaction transaction{begin_, rollback_};
    constexpr std::size_t rows_per_transaction = 2'000;
    const auto written = write_out(rows_per_transaction, SIZE_MAX);
    commit_.execute();
    transaction.done();
    settle_in_memory(written, {});
  }
}

template <class Step>
auto Writer::prune(Step&& step) {
  const Unsynced unsynced{connection_, shared_->options.durable};
  Transaction transaction{begin_, rollback_};
  const auto changes = sqlite3_total_changes64(connection_.get());
  const auto done = step();
  commit_.execute();
  transaction.done();
  erasing_ = true;
  if (!erased_since_ && sqlite3_total_changes64(connection_.get()) > changes) erased_since_ = steady_clock::now();
  return done;
}

Cutter::Cut Writer::cut_logs(std::span<const std::int64_t> rows, Timestamp before, Timestamp now) {
  return prune([&] { return cutter_.cut(rows, before, now); });
}

Pruned Writer::bury(Timestamp tombstones_before, Timestamp now) {
  write_out_between_batches();  // of files that were deleted just now
  const auto done = prune([&] { return cutter_.bury(tombstones_before, now); });
  erasing_ = done.more;  // a run ends with it
  return done;
}

Pruned Writer::erase_deleted(Timestamp now) {
  write_out_between_batches();
  return prune([&] { return cutter_.erase_deleted(now); });
}

/// One at a time, and where updates wait only one that has waited long itself.
void Writer::do_job(Load load) {
  const std::chrono::milliseconds waited{load == Load::busy ? 200 : 0};
  if (auto job = shared_->jobs.take(waited)) (*job)(this);
}

bool Writer::maintain(Load load) {
  const auto& options = shared_->options;
  try {
    learn_cursor_key();
    do_job(load);
    if (load == Load::idle && failed_batches_ > 0) try_commit();
    if (wal_pages_ >= (load == Load::busy ? 4 : 1) * options.checkpoint_pages) {
      checkpoint_between_batches();
      if (wal_pages_ == 0) return load == Load::idle;
    }
    if (must_forget_erased(load)) forget_erased();
    if (load == Load::busy) return false;
    if (load == Load::pause && recent_.row_count() <= options.recent_rows_max / 2) return false;
    if (recent_.by_age().empty()) {
      if (wal_pages_ > 0) checkpoint_between_batches();
      return false;
    }
    write_out_between_batches();
    return true;
  } catch (const Failure& failure) {
    end_if_sync_failed(failure);
    telemetry::checkpoint_failed(failure.what());
    return false;
  }
}

void Writer::write_out_between_batches() {
  const Unsynced unsynced{connection_, shared_->options.durable};
  Transaction transaction{begin_, rollback_};
  const auto written = write_out(portion_rows_max, SIZE_MAX);
  commit_.execute();
  transaction.done();
  settle_in_memory(written, {});
}

void Writer::checkpoint_between_batches() {
  std::unique_lock<std::shared_mutex> alone;
  // Readers that overlap without end would keep the log from being reset; past this size they wait a moment.
  if (wal_pages_ >= 32 * shared_->options.checkpoint_pages) alone = shared_->gate.enter_alone();
  checkpoint(SQLITE_CHECKPOINT_PASSIVE);
}

bool Writer::must_forget_erased(Load load) const {
  if (!erased_since_) return false;
  const auto now = steady_clock::now();
  if (now < forget_after_) return false;
  if (load == Load::idle && !erasing_ && recent_.by_age().empty()) return true;
  return now - *erased_since_ >= erased_stay_max;
}

void Writer::forget_erased() {
  constexpr std::chrono::seconds pause{1};  // where it does not work; it may cost some milliseconds each time
  forget_after_ = steady_clock::now() + pause;
  // What is long is done beside the readers.
  if (!checkpoint(SQLITE_CHECKPOINT_PASSIVE)) return;
  const auto alone = shared_->gate.enter_alone();
  // Pages here have unused bytes that are zeroed only in the file (wiping_vfs.hpp): they must not come to the log
  // again.
  sqlite3_db_release_memory(connection_.get());
  sqlite3_busy_timeout(connection_.get(), 0);
  const bool emptied = checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
  sqlite3_busy_timeout(connection_.get(), busy_ms_max);
  if (emptied) erased_since_.reset();
}

bool Writer::checkpoint(int mode) {
  // On the one connection that also commits: before SQLite 3.51.3 a checkpoint on another can lose pages.
  PEBBLES_CRASH_POINT("before-checkpoint");
  int pages_in_log = 0;
  int pages_copied = 0;
  const int code = sqlite3_wal_checkpoint_v2(connection_.get(), nullptr, mode, &pages_in_log, &pages_copied);
  if (code != SQLITE_OK && code != SQLITE_BUSY)
    throw Failure{sqlite3_extended_errcode(connection_.get()), sqlite3_errmsg(connection_.get())};
  const bool whole = code == SQLITE_OK && pages_in_log == pages_copied;
  if (pages_in_log == pages_copied) wal_pages_ = 0;
  PEBBLES_CRASH_POINT("after-checkpoint");
  return whole;
}

/// Whether there is room again, also where nobody sends an update: commits as much as a batch may need, and takes it
/// away again.
void Writer::try_commit() {
  try {
    const Unsynced unsynced{connection_, shared_->options.durable};
    for (const auto* const step :
         {"INSERT OR REPLACE INTO meta VALUES('trial', randomblob(65536))", "DELETE FROM meta WHERE name='trial'"}) {
      Transaction transaction{begin_, rollback_};
      connection_.execute(step);
      commit_.execute();
      transaction.done();
    }
    note_commit(true, {});
  } catch (const Failure& failure) {  // that was said when the first commit failed
    end_if_sync_failed(failure);
  }
}

void Writer::note_commit(bool good, const std::string& what) {
  if (good && failed_batches_ > 0) {
    shared_->refusal.clear();
    telemetry::store_commits_again(std::exchange(failed_batches_, 0));
  }
  if (good) return;
  shared_->refusal.set(what);
  if (failed_batches_++ == 0) telemetry::store_refuses_commits(what);
}

std::unique_ptr<EventStore> make_writer(std::shared_ptr<Shared> shared) {
  return std::make_unique<Writer>(std::move(shared));
}

}  // namespace pebbles::store::sqlite
