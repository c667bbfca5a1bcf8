#pragma once
#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <vector>

#include "store/event_store.hpp"
#include "store/sqlite/connection.hpp"

/// How snapshots and chunks stand in rows: what the writer, the readers and maintenance share.
namespace pebbles::store::sqlite {

/// Times stand in rows as milliseconds since 1970.
inline Timestamp time_of(std::int64_t milliseconds) { return Timestamp{std::chrono::milliseconds{milliseconds}}; }
inline std::int64_t number_of(Timestamp time) { return time.time_since_epoch().count(); }

/// What stands in the chunk of a baseline: no lane draws it.
inline constexpr Token baseline_token{};

/// A chunk as stored, its text included so that its hash can be checked.
struct StoredChunk {
  std::int64_t seq = 0;
  int format = 0;
  std::int64_t events = 0;
  Chunk chunk;  ///< `chunk.events` decoded only by `decode`
  std::string text;

  /// Known without reading the text.
  [[nodiscard]] bool is_baseline() const { return chunk.token == baseline_token; }
};

/// What a chunk tells readers of the feed: its text, or, for the baseline of a file whose contents were erased before
/// all were told of its deletion, that deletion. Such a baseline has its own version in its name. Error: store_corrupt.
[[nodiscard]] std::string told_by_chunk(Version first, bool is_baseline, std::string_view text);

/// The statements over one connection. Threads: as the connection.
class Rows {
 public:
  explicit Rows(const Connection& connection);

  [[nodiscard]] std::optional<std::int64_t> row_of(const StreamId& stream);
  /// The snapshot of a row of `streams`; null when there is none. Kept items included.
  [[nodiscard]] SnapshotPtr snapshot(std::int64_t row);
  [[nodiscard]] SnapshotPtr snapshot(const domain::ClientKrn& client, const domain::FileId& id);
  /// Chunks that hold versions above `after`, by `stream_chunks`, in order; stops once `events_max` are in.
  [[nodiscard]] std::vector<StoredChunk> chunks(std::int64_t row, Version after, std::size_t events_max = SIZE_MAX);
  /// The last one; decoded.
  [[nodiscard]] std::optional<StoredChunk> last_chunk(std::int64_t row);
  /// The same one by one, until `take` answers false.
  void each_chunk(std::int64_t row, Version after, const std::function<bool(StoredChunk)>& take);
  [[nodiscard]] std::optional<StoredChunk> chunk_at(std::int64_t seq);
  /// By `stream_chunks` and `event_keys`.
  [[nodiscard]] std::optional<std::int64_t> seq_of_chunk(std::int64_t row, Version first);
  [[nodiscard]] std::optional<std::int64_t> seq_of_key(std::int64_t row, const ShortDigest& hash);
  /// Of a key whose event is gone from the log.
  [[nodiscard]] std::optional<domain::KeyHit> kept_key(std::int64_t row, const ShortDigest& hash);

 private:
  Statement row_of_;
  Statement snapshot_by_row_;
  Statement snapshot_by_id_;
  Statement chunks_;
  Statement last_chunk_;
  Statement chunk_at_;
  Statement seq_of_chunk_;
  Statement seq_of_key_;
  Statement kept_key_;
};

inline constexpr std::string_view snapshot_columns =
    "p.stream, p.client, p.filename, p.email, p.id, p.done, p.warn, p.failed, p.total, p.is_completed, p.created_at, "
    "p.updated_at, p.completed_at, p.error_count, p.warning_count, p.version, p.rev, p.fold, p.head_version, p.head, "
    "p.positions, p.born, i.errors, i.warnings";
inline constexpr std::string_view chunk_columns =
    "e.seq, e.first_version, e.n, e.format, e.prev_version, e.prev_hash, e.hash, e.writer, e.sequence, e.events";

/// Throws Unreadable for a row that is not one of ours: no value of another type or out of its range becomes another.
[[nodiscard]] SnapshotPtr read_snapshot(const Statement::Rows& rows);
[[nodiscard]] StoredChunk read_chunk(const Statement::Rows& rows);
/// Throws Unreadable when the chunk is not of a format that this program knows.
void require_known_format(int format);
/// Fills `chunk.events` from the text. Throws Unreadable when it is not of format 1.
void decode(StoredChunk& stored);
/// Throws Unreadable for another length.
template <std::size_t N>
std::array<std::uint8_t, N> array_of(Blob blob) {
  std::array<std::uint8_t, N> out{};
  if (blob.size() != N) throw Unreadable{"a stored digest or id has the wrong length"};
  std::ranges::copy(blob, out.begin());
  return out;
}

/// A result's value. Throws Unreadable in the place of an error.
template <class T>
T or_corrupt(Result<T> result) {
  if (!result) throw Unreadable{result.error().detail};
  return *std::move(result);
}

/// Writes a snapshot's row, and its kept items if `with_items`; of a deleted file takes them away, and marks its stream
/// to be buried.
class SnapshotWriter {
 public:
  explicit SnapshotWriter(const Connection& connection);
  void write(std::int64_t row, const Snapshot& snapshot, bool with_items);
  /// The mark alone: a new life may have begun since. `deleted` is the state in which the file was.
  void mark_deleted(std::int64_t row, const Snapshot& deleted);

 private:
  Statement progress_;
  Statement items_;
  Statement erase_progress_;
  Statement erase_items_;
  Statement tombstone_;
};

}  // namespace pebbles::store::sqlite
