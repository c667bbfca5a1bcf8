#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "store/compare.hpp"
#include "store/log_format.hpp"
#include "store/sqlite/database.hpp"

namespace pebbles::store {
namespace sqlite {
namespace {

constexpr std::int64_t streams_per_slice = 500;

struct StreamRow {
  std::int64_t row = 0;
  StreamId id;
};

/// Some streams behind `after`, in the order of their rows.
std::vector<StreamRow> next_streams(Statement& statement, std::int64_t after) {
  std::vector<StreamRow> out;
  auto rows = statement.run(after, streams_per_slice);
  while (rows.next())
    out.push_back({.row = rows.integer(0),
                   .id = {domain::ClientKrn{std::string{rows.text(1)}}, domain::Filename{std::string{rows.text(2)}}}});
  return out;
}

/// Folds a stream's indexed chunks in pieces, so that memory does not grow with the stream.
class Folder {
 public:
  explicit Folder(Rows& rows) : rows_{rows} {}

  /// The first fault, if any; `each` sees every chunk.
  template <class Each>
  std::optional<std::string> fold(const StreamRow& stream, Snapshot& state, Each&& each) {
    state.stream = stream.id;
    for (;;) {
      constexpr std::size_t events_per_piece = 20'000;
      auto piece = rows_.chunks(stream.row, state.progress.version, events_per_piece);
      if (piece.empty()) return std::nullopt;
      for (auto& stored : piece) {
        if (stored.format != log_format) return fmt::format("version {}: another log format", stored.chunk.first);
        if (auto fault = fold_proved(state, stored.chunk, stored.text, stored.events)) return fault;
        each(stored);
      }
    }
  }

 private:
  Rows& rows_;
};

class Verifier {
 public:
  Verifier(const SqliteOptions& options, const VerifyOptions& how, bool beside_server)
      : how_{how},
        beside_server_{beside_server},
        connection_{open_reader({.path = options.path, .vfs = options.vfs, .durable = options.durable})},
        rows_{connection_},
        streams_{connection_.prepare("SELECT stream, client, filename FROM streams WHERE stream>? ORDER BY stream "
                                     "LIMIT ?")},
        tombstone_{connection_.prepare("SELECT 1 FROM tombstones WHERE stream=?")} {}

  VerifyReport run() {
    const auto total = connection_.integer_of("SELECT count(*) FROM streams");
    std::int64_t last = 0;
    for (;;) {
      const ReadScope scope{connection_};
      const auto slice = next_streams(streams_, last);
      if (slice.empty()) break;
      for (const auto& stream : slice) verify(stream);
      last = slice.back().row;
      if (how_.on_progress) how_.on_progress(report_.streams, std::max(total, report_.streams));
    }
    verify_indexed();
    report_.finish(how_);
    return std::move(report_);
  }

 private:
  void verify(const StreamRow& stream) {
    ++report_.streams;
    Snapshot folded;
    const auto fault = Folder{rows_}.fold(stream, folded, [&](const StoredChunk& stored) {
      ++report_.chunks;
      report_.events += stored.events;
      verify_keys(stream, stored);
      if (how_.kept_heads != nullptr) how_.kept_heads->saw(stream.id, stored.chunk);
    });
    if (!report_.walked(folded, fault, how_)) return;
    SnapshotPtr kept;
    try {
      kept = rows_.snapshot(stream.row);
    } catch (const Failure& failure) {
      return report_.differ(stream.id, fmt::format("the snapshot cannot be read: {}", failure.what()));
    }
    // A running server writes snapshots behind its log; what it has not written yet is not wrong.
    const bool behind = kept ? kept->progress.version > folded.progress.version : folded.progress.version == 0;
    if (beside_server_ && behind) {
      ++report_.not_yet_written;
      return;
    }
    if (!folded.progress.exists()) {
      if (kept) report_.differ(stream.id, "the file was deleted, and its snapshot is there");
      return;
    }
    if (!kept && beside_server_ && is_deleted(stream)) {
      ++report_.not_yet_written;
      return;
    }
    if (!kept) return report_.differ(stream.id, "the snapshot is missing");
    if (auto what = difference(*kept, folded)) report_.differ(stream.id, *what);
  }

  /// Its snapshot is gone already, and the index over its chunks is not as far yet.
  bool is_deleted(const StreamRow& stream) { return tombstone_.run(stream.row).next(); }

  void verify_keys(const StreamRow& stream, const StoredChunk& stored) {
    for (const auto& event : stored.chunk.events)
      if (event.key && rows_.seq_of_key(stream.row, event.key->hash) != stored.seq)
        report_.differ(stream.id, fmt::format("version {}: its key is not in the index", event.version));
  }

  /// Every chunk that should be indexed was seen: none hides behind a lost index row.
  void verify_indexed() {
    const ReadScope scope{connection_};
    auto statement = connection_.prepare(
        "SELECT s.client, s.filename, e.first_version FROM progress_events e LEFT JOIN streams s USING(stream) "
        "WHERE e.seq <= (SELECT value FROM meta WHERE name='indexed_seq') AND NOT EXISTS "
        "(SELECT 1 FROM stream_chunks c WHERE c.stream=e.stream AND c.first_version=e.first_version AND c.seq=e.seq)");
    auto rows = statement.run();
    while (rows.next())
      report_.differ({domain::ClientKrn{std::string{rows.text(0)}}, domain::Filename{std::string{rows.text(1)}}},
                     fmt::format("version {}: the chunk is not in the index", rows.integer(2)));
  }

  const VerifyOptions& how_;
  bool beside_server_;
  Connection connection_;
  Rows rows_;
  Statement streams_;
  Statement tombstone_;
  VerifyReport report_;
};

class Rebuilder {
 public:
  Rebuilder(const SqliteOptions& options, const OnProgress& on_progress)
      : on_progress_{on_progress},
        connection_{open_writer({.path = options.path, .vfs = options.vfs, .durable = options.durable})},
        rows_{connection_},
        snapshots_{connection_},
        streams_{connection_.prepare("SELECT stream, client, filename FROM streams WHERE stream>? ORDER BY stream "
                                     "LIMIT ?")},
        insert_key_{connection_.prepare("INSERT INTO event_keys VALUES(?,?,?)")} {}

  RebuildReport run() {
    connection_.execute("BEGIN IMMEDIATE");
    connection_.execute("DELETE FROM event_keys");
    connection_.execute("DELETE FROM stream_chunks");
    connection_.execute(
        "INSERT INTO stream_chunks SELECT stream, first_version, seq FROM progress_events ORDER BY stream, "
        "first_version");
    connection_.execute(
        "UPDATE meta SET value=(SELECT ifnull(max(seq), 0) FROM progress_events) WHERE name='indexed_seq'");
    const auto total = connection_.integer_of("SELECT count(*) FROM streams");
    std::int64_t last = 0;
    for (;;) {
      const auto slice = next_streams(streams_, last);
      if (slice.empty()) break;
      for (const auto& stream : slice) rebuild(stream);
      last = slice.back().row;
      if (on_progress_) on_progress_(report_.streams, total);
    }
    connection_.execute("DELETE FROM progress WHERE stream NOT IN (SELECT stream FROM streams)");
    connection_.execute("COMMIT");
    sqlite3_wal_checkpoint_v2(connection_.get(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
    return std::move(report_);
  }

 private:
  void rebuild(const StreamRow& stream) {
    ++report_.streams;
    auto folded = std::make_shared<Snapshot>();
    auto fault = Folder{rows_}.fold(stream, *folded, [&](const StoredChunk& stored) {
      for (const auto& event : stored.chunk.events)
        if (event.key) insert_key_.execute(stream.row, Blob{event.key->hash}, stored.seq);
    });
    const auto kept = readable_snapshot(stream.row);
    if (!fault && folded->progress.version == 0) fault = "there are no events";
    // A snapshot only moves forward (invariant 4). One whose last chunk is behind the end of the log shows that the log
    // has lost events; one that ends where the log does is just wrong, and is replaced.
    if (!fault && kept && kept->progress.version > folded->progress.version && kept->head != folded->head)
      fault = fmt::format("the log ends at version {}, the snapshot knows {}", folded->progress.version,
                          kept->progress.version);
    if (fault) {
      report_.fail(stream.id, *std::move(fault));
      return;
    }
    if (!folded->progress.exists()) {
      if (!kept) return;
    } else if (kept && kept->fold == folded->fold && !difference(*kept, *folded)) {
      return;
    }
    folded->rev = (kept ? kept->rev : 0) + 1;
    snapshots_.write(stream.row, *folded, true);
    ++report_.rewritten;
  }

  SnapshotPtr readable_snapshot(std::int64_t row) {
    try {
      return rows_.snapshot(row);
    } catch (const Failure&) {  // damaged: it is replaced
      return nullptr;
    }
  }

  const OnProgress& on_progress_;
  Connection connection_;
  Rows rows_;
  SnapshotWriter snapshots_;
  Statement streams_;
  Statement insert_key_;
  RebuildReport report_;
};

Result<void> require_file(const std::string& path) {
  if (std::filesystem::exists(path)) return {};
  return failure(Errc::not_found, fmt::format("there is no file {}", path));
}

}  // namespace
}  // namespace sqlite

Result<VerifyReport> verify_sqlite(const SqliteOptions& options, const VerifyOptions& how) {
  PEBBLES_TRY_VOID(sqlite::require_file(options.path));
  const auto lock = sqlite::FileLock::take(options.path);
  if (lock) {
    // Without a server, open and close the store first: what a crash left to be replayed is then verified too. A log
    // too damaged for that is what the verifier is to tell about.
    const auto brought_up = sqlite::guarded(
        [&] { return sqlite::make_writer(std::make_shared<sqlite::Shared>(options)) != nullptr; }, options.path);
    if (!brought_up && brought_up.error().code != Errc::store_corrupt) return std::unexpected{brought_up.error()};
  }
  return sqlite::guarded([&] { return sqlite::Verifier{options, how, !lock.has_value()}.run(); }, options.path);
}

Result<RebuildReport> rebuild_sqlite(const SqliteOptions& options, const OnProgress& on_progress) {
  PEBBLES_TRY_VOID(sqlite::require_file(options.path));
  const auto lock = sqlite::FileLock::take(options.path);
  if (!lock) return std::unexpected{lock.error()};
  return sqlite::guarded([&] { return sqlite::Rebuilder{options, on_progress}.run(); }, options.path);
}

}  // namespace pebbles::store
