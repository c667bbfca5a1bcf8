#include "store/sqlite/rows.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "store/log_format.hpp"

namespace pebbles::store::sqlite {
namespace {

std::string json_of(const domain::ItemList& items) {
  std::string out;
  append_items(out, items);
  return out;
}

std::int64_t stored_integer(const Statement::Rows& rows, int column, std::string_view name) {
  if (!rows.is_integer(column)) throw Unreadable{fmt::format("`{}` is not a whole number", name)};
  return rows.integer(column);
}

std::int64_t stored_count(const Statement::Rows& rows, int column, std::string_view name) {
  const auto out = stored_integer(rows, column, name);
  if (out < 0 || out > domain::count_max) throw Unreadable{fmt::format("`{}` is out of range", name)};
  return out;
}

std::string stored_text(const Statement::Rows& rows, int column, std::string_view what) {
  if (rows.text(column).empty()) throw Unreadable{fmt::format("`{}` is empty", what)};
  return std::string{rows.text(column)};
}

SnapshotPtr read_progress_row(const Statement::Rows& rows) {
  auto out = std::make_shared<Snapshot>();
  out->stream = {domain::ClientKrn{stored_text(rows, 1, "client")}, domain::Filename{stored_text(rows, 2, "filename")}};
  auto& progress = out->progress;
  progress.owner = domain::Email{stored_text(rows, 3, "email")};
  progress.id = array_of<12>(rows.blob(4));
  progress.counts = {.done = stored_count(rows, 5, "done"),
                     .warn = stored_count(rows, 6, "warn"),
                     .failed = stored_count(rows, 7, "failed")};
  if (!rows.is_null(8)) progress.total = stored_count(rows, 8, "total");
  progress.completed = stored_integer(rows, 9, "is_completed") != 0;
  progress.created_at = time_of(stored_integer(rows, 10, "created_at"));
  progress.updated_at = time_of(stored_integer(rows, 11, "updated_at"));
  if (!rows.is_null(12)) progress.completed_at = time_of(stored_integer(rows, 12, "completed_at"));
  progress.errors.count = stored_count(rows, 13, "error_count");
  progress.warnings.count = stored_count(rows, 14, "warning_count");
  progress.version = stored_count(rows, 15, "version");
  out->rev = stored_count(rows, 16, "rev");
  out->fold = static_cast<int>(stored_count(rows, 17, "fold"));
  out->head = {.first = stored_count(rows, 18, "head_version"), .hash = array_of<32>(rows.blob(19))};
  progress.positions = or_corrupt(decode_positions(rows.text(20)));
  progress.born = stored_count(rows, 21, "born");
  if (!rows.is_null(22)) {
    progress.errors.first = or_corrupt(decode_items(rows.text(22)));
    progress.warnings.first = or_corrupt(decode_items(rows.text(23)));
  }
  return out;
}

}  // namespace

SnapshotPtr read_snapshot(const Statement::Rows& rows) {
  try {
    return read_progress_row(rows);
  } catch (const Unreadable& why) {
    throw Unreadable{
        fmt::format("row {} of `progress` ({} / {}): {}", rows.integer(0), rows.text(1), rows.text(2), why.what())};
  }
}

StoredChunk read_chunk(const Statement::Rows& rows) {
  StoredChunk out;
  out.seq = rows.integer(0);
  out.chunk.first = rows.integer(1);
  out.events = rows.integer(2);
  out.format = static_cast<int>(rows.integer(3));
  out.chunk.prev.first = rows.integer(4);
  if (out.chunk.prev.first != 0) out.chunk.prev.hash = array_of<32>(rows.blob(5));
  out.chunk.hash = array_of<32>(rows.blob(6));
  out.chunk.token = {.writer = static_cast<std::uint64_t>(rows.integer(7)),
                     .sequence = static_cast<std::uint64_t>(rows.integer(8))};
  out.text = rows.text(9);
  return out;
}

std::string told_by_chunk(Version first, bool is_baseline, std::string_view text) {
  if (!is_baseline) return std::string{text};
  auto event = or_corrupt(decode_event(text));
  const auto* const baseline = std::get_if<domain::Baseline>(&event.what);
  if (baseline == nullptr || baseline->state->exists() || event.version != first) return std::string{text};
  const auto state = baseline->state;
  event.what = domain::Deleted{.positions = state->positions};
  std::string out;
  append_event(out, event);
  return out;
}

void require_known_format(int format) {
  if (format != log_format) throw Unreadable{fmt::format("log format {}; this program knows {}", format, log_format)};
}

void decode(StoredChunk& stored) {
  require_known_format(stored.format);
  stored.chunk.events = or_corrupt(decode_events(stored.text));
}

Rows::Rows(const Connection& connection)
    : row_of_{connection.prepare("SELECT stream FROM streams WHERE client=? AND filename=?")},
      snapshot_by_row_{connection.prepare(fmt::format(
          "SELECT {} FROM progress p LEFT JOIN progress_items i USING(stream) WHERE p.stream=?", snapshot_columns))},
      snapshot_by_id_{connection.prepare(
          fmt::format("SELECT {} FROM progress p LEFT JOIN progress_items i USING(stream) WHERE p.client=? AND p.id=?",
                      snapshot_columns))},
      // The chunk that holds `after + 1` may begin before it.
      chunks_{connection.prepare(fmt::format(
          "SELECT {} FROM stream_chunks c JOIN progress_events e USING(seq) WHERE c.stream=?1 AND c.first_version>="
          "ifnull((SELECT max(first_version) FROM stream_chunks WHERE stream=?1 AND first_version<=?2+1),0) "
          "ORDER BY c.first_version",
          chunk_columns))},
      last_chunk_{connection.prepare(
          fmt::format("SELECT {} FROM stream_chunks c JOIN progress_events e USING(seq) WHERE c.stream=? "
                      "ORDER BY c.first_version DESC LIMIT 1",
                      chunk_columns))},
      chunk_at_{connection.prepare(fmt::format("SELECT {} FROM progress_events e WHERE e.seq=?", chunk_columns))},
      seq_of_chunk_{connection.prepare("SELECT seq FROM stream_chunks WHERE stream=? AND first_version=?")},
      seq_of_key_{connection.prepare("SELECT seq FROM event_keys WHERE stream=? AND hash=?")},
      kept_key_{connection.prepare("SELECT version, fingerprint FROM kept_keys WHERE stream=? AND hash=?")} {}

std::optional<std::int64_t> Rows::row_of(const StreamId& stream) {
  auto rows = row_of_.run(std::string_view{*stream.client}, std::string_view{*stream.filename});
  return rows.next() ? std::optional{rows.integer(0)} : std::nullopt;
}

SnapshotPtr Rows::snapshot(std::int64_t row) {
  auto rows = snapshot_by_row_.run(row);
  return rows.next() ? read_snapshot(rows) : nullptr;
}

SnapshotPtr Rows::snapshot(const domain::ClientKrn& client, const domain::FileId& id) {
  auto rows = snapshot_by_id_.run(std::string_view{*client}, Blob{id});
  return rows.next() ? read_snapshot(rows) : nullptr;
}

void Rows::each_chunk(std::int64_t row, Version after, const std::function<bool(StoredChunk)>& take) {
  auto rows = chunks_.run(row, after);
  while (rows.next()) {
    auto chunk = read_chunk(rows);
    if (chunk.is_baseline()) decode(chunk);  // its version is not that of its place
    const auto last = chunk.is_baseline() ? chunk.chunk.events.back().version : chunk.chunk.first + chunk.events - 1;
    if (last > after && !take(std::move(chunk))) return;
  }
}

std::vector<StoredChunk> Rows::chunks(std::int64_t row, Version after, std::size_t events_max) {
  std::vector<StoredChunk> out;
  std::size_t events = 0;
  each_chunk(row, after, [&](StoredChunk chunk) {
    const auto last = chunk.chunk.first + chunk.events - 1;
    events += static_cast<std::size_t>(chunk.is_baseline() ? 1 : std::min(chunk.events, last - after));
    out.push_back(std::move(chunk));
    return events < events_max;
  });
  return out;
}

std::optional<StoredChunk> Rows::last_chunk(std::int64_t row) {
  auto rows = last_chunk_.run(row);
  if (!rows.next()) return std::nullopt;
  auto out = read_chunk(rows);
  decode(out);
  return out;
}

std::optional<StoredChunk> Rows::chunk_at(std::int64_t seq) {
  auto rows = chunk_at_.run(seq);
  return rows.next() ? std::optional{read_chunk(rows)} : std::nullopt;
}

std::optional<std::int64_t> Rows::seq_of_chunk(std::int64_t row, Version first) {
  auto rows = seq_of_chunk_.run(row, first);
  return rows.next() ? std::optional{rows.integer(0)} : std::nullopt;
}

std::optional<std::int64_t> Rows::seq_of_key(std::int64_t row, const ShortDigest& hash) {
  auto rows = seq_of_key_.run(row, Blob{hash});
  return rows.next() ? std::optional{rows.integer(0)} : std::nullopt;
}

std::optional<domain::KeyHit> Rows::kept_key(std::int64_t row, const ShortDigest& hash) {
  auto rows = kept_key_.run(row, Blob{hash});
  if (!rows.next()) return std::nullopt;
  return domain::KeyHit{.version = rows.integer(0), .fingerprint = array_of<16>(rows.blob(1))};
}

SnapshotWriter::SnapshotWriter(const Connection& connection)
    : progress_{connection.prepare(
          "INSERT INTO progress VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(stream) DO UPDATE SET "
          "client=excluded.client, filename=excluded.filename, email=excluded.email, id=excluded.id, "
          "done=excluded.done, warn=excluded.warn, failed=excluded.failed, "
          "total=excluded.total, "
          "is_completed=excluded.is_completed, created_at=excluded.created_at, updated_at=excluded.updated_at, "
          "completed_at=excluded.completed_at, error_count=excluded.error_count, "
          "warning_count=excluded.warning_count, version=excluded.version, rev=excluded.rev, fold=excluded.fold, "
          "head_version=excluded.head_version, head=excluded.head, positions=excluded.positions, "
          "born=excluded.born")},
      items_{connection.prepare("INSERT OR REPLACE INTO progress_items VALUES(?,?,?)")},
      erase_progress_{connection.prepare("DELETE FROM progress WHERE stream=?")},
      erase_items_{connection.prepare("DELETE FROM progress_items WHERE stream=?")},
      tombstone_{connection.prepare("INSERT OR REPLACE INTO tombstones VALUES(?,?,?,0)")} {}

void SnapshotWriter::write(std::int64_t row, const Snapshot& snapshot, bool with_items) {
  const auto& progress = snapshot.progress;
  if (!progress.exists()) {
    erase_progress_.execute(row);
    erase_items_.execute(row);
    mark_deleted(row, snapshot);
    return;
  }
  const auto completed_at = progress.completed_at ? std::optional{number_of(*progress.completed_at)} : std::nullopt;
  const auto positions = encode_positions(progress.positions);
  progress_.execute(row, std::string_view{*snapshot.stream.client}, std::string_view{*snapshot.stream.filename},
                    std::string_view{*progress.owner}, Blob{progress.id}, progress.counts.done, progress.counts.warn,
                    progress.counts.failed, progress.total, progress.completed ? 1 : 0, number_of(progress.created_at),
                    number_of(progress.updated_at), completed_at, progress.errors.count, progress.warnings.count,
                    progress.version, snapshot.rev, snapshot.fold, snapshot.head.first, Blob{snapshot.head.hash},
                    std::string_view{positions}, progress.born);
  if (!with_items) return;
  const auto errors = json_of(progress.errors.first);
  const auto warnings = json_of(progress.warnings.first);
  items_.execute(row, std::string_view{errors}, std::string_view{warnings});
}

void SnapshotWriter::mark_deleted(std::int64_t row, const Snapshot& deleted) {
  tombstone_.execute(row, deleted.progress.version, number_of(deleted.progress.updated_at));
}

}  // namespace pebbles::store::sqlite
