#include <simdjson.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <set>
#include <thread>
#include <unordered_map>

#include "base/crash_point.hpp"
#include "store/mongo/bulk.hpp"
#include "store/mongo/documents.hpp"
#include "store/mongo/queries.hpp"
#include "store/mongo/shared.hpp"
#include "store/mongo/snapshot_writer.hpp"
#include "store/mongo/summaries.hpp"

namespace pebbles::store::mongo {
namespace {

using std::chrono::steady_clock;
using Outcomes = std::vector<AppendOutcome>;

constexpr auto retry_pause = std::chrono::milliseconds{50};

/// Chunks first: what stands in the log is what has happened. Snapshots follow (SnapshotWriter).
class Writer final : public EventStore {
 public:
  explicit Writer(std::shared_ptr<Shared> shared) : shared_{std::move(shared)}, snapshots_{shared_} {}
  ~Writer() override {
    write_snapshots(SnapshotWriter::Which::all);
    if (behind_) behind_->leave_open();  // somebody has to catch up with what is missing
    if (session_) shared_->leave_session(session_.get());
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Result<std::vector<Loaded>> load(std::span<const StreamId> streams, LoadMode mode) override {
    PEBBLES_TRY_VOID(ready());
    std::vector<Loaded> out(streams.size());
    if (streams.empty()) return out;
    const auto now = steady_clock::now();
    UnreadableStreams unreadable;
    PEBBLES_TRY(found, find_snapshots(progress_.get(), streams, nullptr, &unreadable));
    std::vector<StreamId> new_streams;
    for (std::size_t i = 0; i < streams.size(); ++i) {
      const auto known = found.find(streams[i]);
      if (const auto bad = unreadable.find(streams[i]); bad != unreadable.end()) {
        out[i].unreadable = bad->second;
      } else if (known == found.end()) {
        new_streams.push_back(streams[i]);
      }
      if (known == found.end()) continue;
      out[i].rev = known->second->rev;
      if (known->second->fold == domain::fold_number)
        out[i].snapshot = known->second;
      else
        snapshots_.replace_whole(streams[i]);
    }
    // A stream without snapshot may have a log: its writer died between the two (invariant 3).
    PEBBLES_TRY(with_log, streams_with_log(events_.get(), new_streams));
    for (std::size_t i = 0; i < streams.size(); ++i) {
      if (out[i].unreadable) continue;
      const bool lacks_snapshot = !out[i].snapshot;
      const bool has_document = found.contains(streams[i]);
      if (lacks_snapshot && !has_document && !with_log.contains(streams[i])) continue;
      const auto from = lacks_snapshot ? 1 : out[i].snapshot->progress.version + 1;
      if (lacks_snapshot || mode == LoadMode::with_log) {
        auto chunks = find_chunks(events_.get(), streams[i], from);
        if (!chunks && chunks.error().code == Errc::store_corrupt) {
          out[i] = {.snapshot = nullptr, .rev = 0, .after = {}, .unreadable = chunks.error().detail};
          continue;
        }
        if (!chunks) return std::unexpected{chunks.error()};
        out[i].after = *std::move(chunks);
      }
      SnapshotWriter::Seen seen;
      seen.rev = out[i].rev;
      if (!out[i].after.empty()) {
        seen.version = out[i].after.back().events.back().version;
        seen.head = head_behind(out[i].after.back());
      } else if (out[i].snapshot) {
        seen.version = out[i].snapshot->progress.version;
        seen.head = out[i].snapshot->head;
      }
      snapshots_.loaded(streams[i], seen, now);
    }
    return out;
  }

  Result<std::vector<std::optional<domain::KeyHit>>> find_keys(std::span<const KeyQuery> queries) override {
    PEBBLES_TRY_VOID(ready());
    return find_key_hits(events_.get(), queries);
  }

  Result<std::vector<std::optional<Token>>> find_tokens(std::span<const ChunkQuery> queries) override {
    PEBBLES_TRY_VOID(ready());
    auto tokens = find_chunk_tokens(events_.get(), queries);
    if (!tokens) return tokens;
    for (std::size_t i = 0; i < queries.size(); ++i)
      if ((*tokens)[i]) settle(queries[i], *(*tokens)[i]);
    return tokens;
  }

  Outcomes commit(std::span<const Append> batch) override {
    Outcomes out(batch.size(), AppendOutcome::not_stored);
    if (batch.empty() || !ready() || session() == nullptr) return out;
    if (!behind_) behind_.emplace(shared_->open_snapshots.begin());
    const auto open = std::make_shared<OpenTimes::Entry>(shared_->open_commits.begin());
    const auto now = steady_clock::now();
    Part current;
    if (!leave_out_stale(batch, now, out, current)) return out;
    insert_chunks(batch, current, out);
    const bool of_few = has_few_updates(batch);
    for (std::size_t i = 0; i < batch.size(); ++i) note(batch[i], out[i], open, of_few, now);
    PEBBLES_CRASH_POINT("after-chunks");
    if (!is_away_) write_snapshots(SnapshotWriter::Which::at_once);
    PEBBLES_CRASH_POINT("after-store-commit");
    if (!is_away_) tell_of_deletions(batch, out);
    return out;
  }

  /// Summaries remember files that were completed a while ago. Where that cannot be said, they do so for some minutes.
  void tell_of_deletions(std::span<const Append> batch, const Outcomes& outcomes) {
    std::set<domain::ClientKrn> clients;
    for (std::size_t i = 0; i < batch.size(); ++i)
      if (outcomes[i] == AppendOutcome::stored && !batch[i].after->progress.exists())
        clients.insert(batch[i].after->stream.client);
    for (const auto& client : clients)
      if (!note_disturbance(*shared_, lease_, client)) is_away_ = true;
  }

  bool maintain(Load load) override {
    // Each try may wait long for a server that is away, and commits are more urgent.
    if (!is_away_ || load == Load::idle)
      write_snapshots(load == Load::idle ? SnapshotWriter::Which::all : SnapshotWriter::Which::due);
    if (load == Load::idle && is_away_) std::this_thread::sleep_for(retry_pause);
    return load == Load::idle && snapshots_.is_waiting();
  }

 private:
  using Part = std::vector<std::size_t>;  ///< positions in a batch

  /// A client, checked and with its collections; made anew after a fault.
  Result<void> ready() {
    if (!lease_) {
      lease_ = shared_->lease();
      if (!lease_) return failure(Errc::store_unavailable, "MongoDB: no client is free");
      progress_ = shared_->collection(lease_, progress_name);
      events_ = shared_->collection(lease_, events_name);
    }
    return shared_->prepare(lease_);
  }

  /// By which others can end what is under way on the server when this process is silent. One for good: no state of
  /// it is lost with a connection.
  mongoc_client_session_t* session() {
    if (!session_) {
      bson_error_t error;
      std::unique_ptr<mongoc_session_opt_t, Destroy<mongoc_session_opts_destroy>> options{mongoc_session_opts_new()};
      mongoc_session_opts_set_causal_consistency(options.get(), false);
      session_.reset(mongoc_client_start_session(lease_.get(), options.get(), &error));
      if (!session_) return nullptr;
      shared_->enter_session(session_.get());
      is_session_published_ = false;
    }
    // Before its first use: else nobody could end its writes, were this process to die now.
    if (!is_session_published_ && !shared_->beat(lease_)) return nullptr;
    is_session_published_ = true;
    return session_.get();
  }

  /// What a worker or two send, one update after the other.
  static bool has_few_updates(std::span<const Append> batch) {
    constexpr std::size_t few = 4;
    std::size_t updates = 0;
    for (const auto& append : batch) updates += append.chunk.events.size();
    return updates <= few;
  }

  /// What later commits, the snapshots and the tail's readers have to know of an outcome.
  void note(const Append& append, AppendOutcome outcome, const std::shared_ptr<OpenTimes::Entry>& open, bool of_few,
            steady_clock::time_point now) {
    const auto& stream = append.after->stream;
    if (outcome == AppendOutcome::not_stored) return;
    if (outcome == AppendOutcome::unknown) {
      auto& doubt = doubts_[stream];
      doubt.first = append.chunk.first;
      doubt.token = append.chunk.token;
      doubt.before = append.before;
      doubt.after = append.after;
      doubt.open.push_back(open);
    } else if (outcome == AppendOutcome::stored) {
      doubts_.erase(stream);
      snapshots_.stored(append.before, append.after, of_few, now);
      return;
    } else if (outcome == AppendOutcome::conflict) {
      // If a chunk stands there, what was under way cannot come any more. Whose it is, find_tokens tells.
      if (const auto doubt = doubts_.find(stream); doubt != doubts_.end()) doubt->second.open.clear();
    }
    snapshots_.forget(stream);
  }

  void settle(const ChunkQuery& query, const Token& token) {
    const auto doubt = doubts_.find(query.stream);
    if (doubt == doubts_.end() || doubt->second.first != query.first) return;
    if (doubt->second.token == token) {
      snapshots_.stored(doubt->second.before, doubt->second.after, false, steady_clock::now());
      since_round_.reset();  // the chunk may stand before that, and its snapshot only comes
    }
    doubts_.erase(doubt);
  }

  /// Whether it is what every reader of the log takes. Admission has seen to it: this is for what must never be stored.
  static bool is_text(const Append& append) {
    const auto& stream = append.after->stream;
    return std::ranges::all_of(std::array<std::string_view, 3>{*stream.client, *stream.filename, append.text},
                               [](std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); });
  }

  /// The chunks of a part, each by itself; an unordered insert tells exactly which are there already.
  void insert_chunks(std::span<const Append> batch, const Part& part, Outcomes& out) {
    if (part.empty() || session() == nullptr) return;
    Writes chunks{events_.get(), session()};
    Part sent;
    for (const auto i : part) {
      if (is_text(batch[i]) && chunks.insert(chunk_document(batch[i])))
        sent.push_back(i);
      else
        out[i] = AppendOutcome::refused;
    }
    if (sent.empty()) return;
    BulkReply done;
    const auto fault = chunks.execute(done);
    const bool sure = !fault || (!fault->network && !fault->not_sent && !done.errors.empty() && !done.may_roll_back);
    for (const auto i : sent)
      out[i] = sure                                    ? AppendOutcome::stored
               : fault->not_sent && done.inserted == 0 ? AppendOutcome::not_stored
                                                       : AppendOutcome::unknown;
    for (const auto& [index, code] : done.errors)
      if (index < sent.size()) out[sent[index]] = outcome_of(code);
    is_away_ = fault && (fault->network || fault->not_sent);
    if (!is_away_) note_time();
  }

  static AppendOutcome outcome_of(std::int32_t code) {
    constexpr std::int32_t object_too_large = 10334;
    if (code == duplicate_key) return AppendOutcome::conflict;
    return code == object_too_large ? AppendOutcome::refused : AppendOutcome::not_stored;
  }

  void note_time() {
    std::uint32_t seconds = 0, increment = 0;
    mongoc_client_session_get_operation_time(session_.get(), &seconds, &increment);
    shared_->open_commits.passed(ServerTime{seconds} << 32U | increment);
    shared_->open_snapshots.passed(ServerTime{seconds} << 32U | increment);
  }

  /// Appends to a state that isn't there conflict: its snapshot was derived again (`rebuild`), the log has not come so
  /// far, or has gone on. That the insert itself finds the last does not hold where the log was cut since: then the
  /// place is free again. What this writer itself has just seen there needs no look: nothing is cut that is so young.
  /// False when that cannot be told.
  bool leave_out_stale(std::span<const Append> batch, steady_clock::time_point now, Outcomes& out, Part& current) {
    std::vector<StreamId> streams;
    Part unseen;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (batch[i].expected() == 0 || (!begins_life_anew(batch[i]) && snapshots_.is_current(batch[i], now))) {
        current.push_back(i);
      } else {
        streams.push_back(batch[i].after->stream);
        unseen.push_back(i);
      }
    }
    if (unseen.empty()) return true;
    const auto places = find_places(progress_.get(), streams);
    if (!places) return false;
    std::vector<Predecessor> predecessors;
    Part doubtful;
    for (const auto i : unseen) {
      const auto& append = batch[i];
      const auto known = places->find(append.after->stream);
      const Place place = known == places->end() ? Place{} : known->second;
      const bool is_there = place.version == append.expected() && place.head == append.chunk.prev;
      const bool is_elsewhere = place.version >= append.expected() && !is_there;
      if (is_elsewhere || (place.version > 0 && place.rev != append.before->rev)) {
        out[i] = AppendOutcome::conflict;
        continue;
      }
      if (is_there && !begins_life_anew(append)) {
        current.push_back(i);
        continue;
      }
      // The snapshot may lag; the log tells.
      predecessors.push_back({.stream = append.after->stream,
                              .version = append.expected(),
                              .head = append.chunk.prev,
                              .is_held = begins_life_anew(append)});
      doubtful.push_back(i);
    }
    if (!hold_baselines(predecessors)) return false;
    const auto stand = find_predecessors(events_.get(), predecessors);
    if (!stand) return false;
    for (std::size_t n = 0; n < doubtful.size(); ++n) {
      if ((*stand)[n])
        current.push_back(doubtful[n]);
      else
        out[doubtful[n]] = AppendOutcome::conflict;
    }
    return true;
  }

  static bool begins_life_anew(const Append& append) {
    return append.before != nullptr && append.before->progress.version > 0 && !append.before->progress.exists();
  }

  /// Before a life begins where one has ended: the baseline that is left of the log is marked with the time, so that
  /// nobody takes it away now (burial.cpp), and only then looked at. A log that is not cut yet has none, and is whole
  /// until this commit is over, and with it its mark in `open_commits`. False when the server could not be asked.
  bool hold_baselines(std::span<const Predecessor> predecessors) {
    Bson exists, type, field, change;
    exists.boolean("$exists", true);
    type.text("$type", "timestamp");
    field.document("heldAt", type);
    change.document("$currentDate", field);
    Writes writes{events_.get(), nullptr};
    for (const auto& predecessor : predecessors) {
      if (!predecessor.is_held) continue;
      Bson filter = stream_filter(predecessor.stream);
      filter.document("_id", chunk_id(predecessor.stream, 1)).document("cut", exists);
      writes.update(filter, change);
    }
    BulkReply done;
    return writes.empty() || !writes.execute(done);
  }

  void write_snapshots(SnapshotWriter::Which which) {
    if (!snapshots_.is_waiting() || ready())
      is_away_ = !snapshots_.write(which, progress_.get(), events_.get(), steady_clock::now());
    note_rounds();
    if (snapshots_.is_waiting() || !doubts_.empty()) return;
    since_round_.reset();
    behind_.reset();
  }

  /// What stood before the last round that was written whole began has its snapshots. A lane that is never idle is not
  /// behind for ever.
  void note_rounds() {
    if (since_round_ && snapshots_.round_written() == round_ && doubts_.empty()) {
      behind_.emplace(*std::move(since_round_));
      since_round_.reset();
    }
    if (snapshots_.rounds_begun() == round_) return;
    round_ = snapshots_.rounds_begun();
    since_round_.emplace(shared_->open_snapshots.begin());
  }

  /// A commit whose outcome is unknown.
  struct Doubt {
    Version first = 0;
    Token token;
    SnapshotPtr before;
    SnapshotPtr after;
    std::vector<std::shared_ptr<OpenTimes::Entry>> open;
  };

  std::shared_ptr<Shared> shared_;
  Lease lease_;
  Collection progress_;
  Collection events_;
  Session session_;
  bool is_session_published_ = false;
  bool is_away_ = false;  ///< the last write found no server, or lost it
  SnapshotWriter snapshots_;
  std::optional<OpenTimes::Entry> behind_;       ///< while snapshots of this writer are behind the log, or may be
  std::optional<OpenTimes::Entry> since_round_;  ///< of what has come since the last round began
  std::uint64_t round_ = 0;                      ///< that one's number
  std::unordered_map<StreamId, Doubt> doubts_;
};

}  // namespace

std::unique_ptr<EventStore> make_writer(std::shared_ptr<Shared> shared) {
  return std::make_unique<Writer>(std::move(shared));
}

}  // namespace pebbles::store::mongo
