#include <algorithm>
#include <chrono>
#include <unordered_map>

#include "base/assert.hpp"
#include "base/crash_point.hpp"
#include "store/mongo/documents.hpp"
#include "store/mongo/queries.hpp"
#include "store/mongo/shared.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::store::mongo {
namespace {

using std::chrono::steady_clock;
using Outcomes = std::vector<AppendOutcome>;

constexpr auto contended_for = std::chrono::seconds{10};
constexpr int commit_attempts_max = 3;

/// A bulk's reply, as far as it matters here.
struct BulkReply {
  std::int64_t inserted = 0;
  std::int64_t matched = 0;
  std::vector<std::pair<std::size_t, std::int32_t>> errors;  ///< which operation, and the error's code
  bool may_roll_back = false;  ///< the rest is applied, but a majority is not known to have it
};

BulkReply read_bulk_reply(const bson_t* reply) {
  BulkReply out;
  each_member(reply, [&](std::string_view name, const bson_iter_t& member) {
    if (name == "nInserted") out.inserted = bson_iter_as_int64(&member);
    if (name == "nMatched") out.matched = bson_iter_as_int64(&member);
    if (name == "writeConcernErrors") each_member(member, [&](auto, auto) { out.may_roll_back = true; });
    if (name != "writeErrors") return;
    each_member(member, [&](std::string_view, const bson_iter_t& entry) {
      std::size_t index = 0;
      std::int32_t code = 0;
      each_member(entry, [&](std::string_view field, const bson_iter_t& value) {
        if (field == "index") index = static_cast<std::size_t>(bson_iter_as_int64(&value));
        if (field == "code") code = static_cast<std::int32_t>(bson_iter_as_int64(&value));
      });
      out.errors.emplace_back(index, code);
    });
  });
  return out;
}

/// One bulk of writes, executed once.
class Writes {
 public:
  Writes(mongoc_collection_t* collection, mongoc_client_session_t* session) {
    Bson options;
    options.boolean("ordered", false);
    if (session != nullptr) {
      bson_error_t error;
      if (!mongoc_client_session_append(session, options.get(), &error)) return;
    }
    bulk_.reset(mongoc_collection_create_bulk_operation_with_opts(collection, options.get()));
  }

  /// False: libmongoc does not take it, and never will (its size, say).
  [[nodiscard]] bool insert(const Bson& document) {
    bson_error_t error;
    ++count_;
    return mongoc_bulk_operation_insert_with_opts(bulk_.get(), document.get(), nullptr, &error);
  }
  void update(const Bson& filter, const Bson& change, bool upsert = false) {
    // Half a dozen indexes begin with the names in the filter: without the hint each statement would be planned.
    Bson by_id, options;
    by_id.small("_id", 1);
    options.document("hint", by_id);
    if (upsert) options.boolean("upsert", true);
    bson_error_t error;
    ++count_;
    const bool taken =
        mongoc_bulk_operation_update_one_with_opts(bulk_.get(), filter.get(), change.get(), options.get(), &error);
    PEBBLES_ASSERT(taken, "an update of ours is well-formed");
  }

  [[nodiscard]] bool empty() const { return count_ == 0; }

  /// What was done, and what went wrong if anything did.
  std::optional<Fault> execute(BulkReply& done) {
    bson_t reply;
    bson_error_t error;
    const auto good = mongoc_bulk_operation_execute(bulk_.get(), &reply, &error) != 0;
    done = read_bulk_reply(&reply);
    std::optional<Fault> out;
    if (!good) out = Fault::of(error, &reply);
    bson_destroy(&reply);
    return out;
  }

 private:
  Bulk bulk_;
  std::size_t count_ = 0;
};

/// The one document whose place a snapshot takes: as it was loaded, and not yet further on.
Bson filter_of_older(const Append& append) {
  Bson out;
  out.object_id("_id", append.after->progress.id);
  out.text("clientKrn", *append.after->stream.client).text("filename", *append.after->stream.filename);
  Bson condition;
  if (append.before && append.before->progress.is_before_log()) {
    condition.boolean("$exists", false);
    out.document("version", condition);
  } else {
    condition.integer("$lt", append.after->progress.version);
    out.document("version", condition);
    out.integer("rev", append.after->rev);
  }
  return out;
}

Bson filter_of_same(const Append& append) {
  Bson out;
  out.object_id("_id", append.after->progress.id);
  out.text("clientKrn", *append.after->stream.client).text("filename", *append.after->stream.filename);
  out.integer("version", append.before->progress.version).integer("rev", append.before->rev);
  return out;
}

class Writer final : public EventStore {
 public:
  explicit Writer(std::shared_ptr<Shared> shared) : shared_{std::move(shared)} {}
  ~Writer() override {
    if (!settled_.empty()) clear_open();
    drop_session();
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Result<std::vector<Loaded>> load(std::span<const StreamId> streams, LoadMode mode) override {
    PEBBLES_TRY_VOID(ready());
    std::vector<Loaded> out(streams.size());
    if (streams.empty()) return out;
    PEBBLES_TRY(found, find_snapshots(progress_.get(), streams));
    std::vector<StreamId> new_streams;
    for (std::size_t i = 0; i < streams.size(); ++i) {
      const auto known = found.find(streams[i]);
      if (known == found.end()) {
        new_streams.push_back(streams[i]);
        continue;
      }
      out[i].rev = known->second->rev;
      if (known->second->fold == domain::fold_number) out[i].snapshot = known->second;
    }
    // A stream without snapshot may have a log: its writer died between the two (invariant 3).
    PEBBLES_TRY(with_log, streams_with_log(events_.get(), new_streams));
    for (std::size_t i = 0; i < streams.size(); ++i) {
      const bool lacks_snapshot = !out[i].snapshot;
      const bool has_document = found.contains(streams[i]);
      if (lacks_snapshot && !has_document && !with_log.contains(streams[i])) continue;
      if (!lacks_snapshot && mode == LoadMode::snapshot_only) continue;
      const auto from = lacks_snapshot ? 1 : out[i].snapshot->progress.version + 1;
      PEBBLES_TRY(chunks, find_chunks(events_.get(), streams[i], from));
      out[i].after = std::move(chunks);
    }
    return out;
  }

  Result<std::vector<std::optional<domain::KeyHit>>> find_keys(std::span<const KeyQuery> queries) override {
    PEBBLES_TRY_VOID(ready());
    return find_key_hits(events_.get(), queries);
  }

  Result<std::vector<std::optional<Token>>> find_tokens(std::span<const ChunkQuery> queries) override {
    PEBBLES_TRY_VOID(ready());
    return find_chunk_tokens(events_.get(), queries);
  }

  Outcomes commit(std::span<const Append> batch) override {
    Outcomes out(batch.size(), AppendOutcome::not_stored);
    if (batch.empty() || !ready()) return out;
    const auto open = std::make_shared<OpenCommits::Entry>(shared_->open_commits.begin());
    Part together, apart;
    const auto now = steady_clock::now();
    for (std::size_t i = 0; i < batch.size(); ++i)
      (shared_->uses_transactions() && !is_contended(batch[i], now) ? together : apart).push_back(i);
    if (!together.empty() && !commit_together(batch, together, out)) commit_chunks_first(batch, together, out);
    if (!apart.empty()) commit_chunks_first(batch, apart, out);
    for (std::size_t i = 0; i < batch.size(); ++i) note(batch[i].after->stream, out[i], open, now);
    return out;
  }

  bool maintain(Load load) override {
    if (load != Load::busy && !settled_.empty()) clear_open();
    if (load == Load::idle) {
      const auto now = steady_clock::now();
      std::erase_if(contended_, [now](const auto& entry) { return entry.second + contended_for < now; });
    }
    return false;
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

  mongoc_client_session_t* session() {
    if (!session_) {
      bson_error_t error;
      std::unique_ptr<mongoc_session_opt_t, Destroy<mongoc_session_opts_destroy>> options{mongoc_session_opts_new()};
      mongoc_session_opts_set_causal_consistency(options.get(), false);
      session_.reset(mongoc_client_start_session(lease_.get(), options.get(), &error));
      if (!session_) return nullptr;
      shared_->enter_session(session_.get());
      // Published before its first use: else nobody could end its transactions, were this process to die now.
      if (!shared_->beat(lease_)) drop_session();
    }
    return session_.get();
  }

  void drop_session() {
    if (session_) shared_->leave_session(session_.get());
    session_.reset();
  }

  bool is_contended(const Append& append, steady_clock::time_point now) const {
    const auto known = contended_.find(append.after->stream);
    return known != contended_.end() && now < known->second + contended_for;
  }

  /// What later commits and the tail's readers have to know of an outcome.
  void note(const StreamId& stream, AppendOutcome outcome, const std::shared_ptr<OpenCommits::Entry>& open,
            steady_clock::time_point now) {
    if (outcome == AppendOutcome::conflict) contended_[stream] = now;
    if (outcome == AppendOutcome::unknown)
      unsettled_[stream].push_back(open);
    else if (outcome != AppendOutcome::not_stored && !unsettled_.empty())
      unsettled_.erase(stream);  // a chunk stands there now: what was under way cannot come any more
  }

  /// One transaction for all. False: nothing of it stands, and it has to be found out stream by stream.
  bool commit_together(std::span<const Append> batch, const Part& part, Outcomes& out) {
    auto* const transaction = session();
    bson_error_t error;
    if (transaction == nullptr) return true;  // there is no server: not stored
    if (!mongoc_client_session_start_transaction(transaction, nullptr, &error)) {
      drop_session();
      return true;
    }
    PEBBLES_CRASH_POINT("after-begin");
    auto written = write_all(batch, part, transaction);
    if (written == Written::all) {
      PEBBLES_CRASH_POINT("before-store-commit");
      return conclude(part, out);
    }
    mongoc_client_session_abort_transaction(transaction, &error);
    if (written == Written::fault) drop_session();
    return written == Written::fault;
  }

  enum class Written : std::uint8_t { all, conflict, fault };

  Written write_all(std::span<const Append> batch, const Part& part, mongoc_client_session_t* transaction) {
    Writes chunks{events_.get(), transaction};
    for (const auto i : part)
      if (!chunks.insert(chunk_document(batch[i], false))) return Written::conflict;  // the other way tells which
    BulkReply done;
    if (const auto fault = chunks.execute(done)) return judge(*fault, done);
    PEBBLES_CRASH_POINT("after-chunks");
    Writes snapshots{progress_.get(), transaction};
    std::int64_t updates = 0, inserts = 0;
    for (const auto i : part) {
      if (batch[i].before) continue;
      ++inserts;
      if (!snapshots.insert(snapshot_document(*batch[i].after))) return Written::conflict;
    }
    for (const auto i : part) {
      if (!batch[i].before) continue;
      ++updates;
      if (batch[i].before->progress.is_before_log())
        snapshots.update(filter_of_older(batch[i]), snapshot_update(*batch[i].after));
      else
        snapshots.update(filter_of_same(batch[i]), snapshot_update(*batch[i].before, *batch[i].after));
    }
    if (const auto fault = snapshots.execute(done)) return judge(*fault, done);
    return done.matched == updates && done.inserted == inserts ? Written::all : Written::conflict;
  }

  /// Labels alone do not tell: a duplicate key aborts the transaction without any.
  static Written judge(const Fault& fault, const BulkReply& done) {
    if (!done.errors.empty()) return Written::conflict;
    if (fault.network || fault.not_sent) return Written::fault;
    return fault.code == write_conflict ? Written::conflict : Written::fault;
  }
  static constexpr std::int32_t write_conflict = 112;

  /// The commit itself. True: `out` tells what became of it.
  bool conclude(const Part& part, Outcomes& out) {
    const auto tell = [&](AppendOutcome outcome) {
      for (const auto i : part) out[i] = outcome;
      return true;
    };
    bool was_unknown = false;
    for (int attempt = 0; attempt < commit_attempts_max; ++attempt) {
      bson_t reply;
      bson_error_t error;
      const bool good = mongoc_client_session_commit_transaction(session_.get(), &reply, &error);
      const auto fault = good ? Fault{} : Fault::of(error, &reply);
      bson_destroy(&reply);
      if (good) {
        PEBBLES_CRASH_POINT("after-store-commit");
        note_time();
        return tell(AppendOutcome::stored);
      }
      // NoSuchTransaction, write conflict: it was aborted. Behind an attempt that may have worked it proves nothing.
      if (fault.transient && !fault.network && !was_unknown) return false;
      was_unknown = true;
      if (!fault.unknown_commit) break;
    }
    drop_session();
    return tell(AppendOutcome::unknown);
  }

  void note_time() {
    std::uint32_t seconds = 0, increment = 0;
    mongoc_client_session_get_operation_time(session_.get(), &seconds, &increment);
    shared_->open_commits.passed(ServerTime{seconds} << 32U | increment);
  }

  /// The chunks first, each by itself; an unordered insert tells exactly which are there already. What follows from
  /// them comes afterwards, and is repaired by the sweep if this process does not live to do it.
  void commit_chunks_first(std::span<const Append> batch, const Part& part, Outcomes& out) {
    Part current;
    if (session() == nullptr || !leave_out_stale(batch, part, out, current)) return;
    Writes chunks{events_.get(), session()};
    Part sent;
    for (const auto i : current) {
      if (chunks.insert(chunk_document(batch[i], true)))
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
    if (fault && (fault->network || fault->not_sent)) drop_session();
    PEBBLES_CRASH_POINT("after-chunks");
    follow_up(batch, sent, out);
  }

  static AppendOutcome outcome_of(std::int32_t code) {
    constexpr std::int32_t object_too_large = 10334;
    if (code == duplicate_key) return AppendOutcome::conflict;
    return code == object_too_large ? AppendOutcome::refused : AppendOutcome::not_stored;
  }

  /// Appends to a state that isn't there conflict: its snapshot was derived again (`rebuild`), or the log has not come
  /// so far. False when that cannot be told.
  bool leave_out_stale(std::span<const Append> batch, const Part& part, Outcomes& out, Part& current) {
    std::vector<StreamId> streams;
    for (const auto i : part)
      if (batch[i].before) streams.push_back(batch[i].after->stream);
    if (streams.empty()) {
      current = part;
      return true;
    }
    const auto places = find_places(progress_.get(), streams);
    if (!places) return false;
    std::vector<ChunkQuery> predecessors;
    Part doubtful;
    for (const auto i : part) {
      const auto& append = batch[i];
      const auto known = places->find(append.after->stream);
      const Place place = known == places->end() ? Place{} : known->second;
      if (append.expected() > place.version) {  // the snapshot may lag; the log tells
        predecessors.push_back({.stream = append.after->stream, .first = append.chunk.prev.first});
        doubtful.push_back(i);
      } else if (append.before && append.expected() > 0 && place.rev != append.before->rev) {
        out[i] = AppendOutcome::conflict;
      } else {
        current.push_back(i);
      }
    }
    const auto tokens = find_chunk_tokens(events_.get(), predecessors);
    if (!tokens) return false;
    for (std::size_t n = 0; n < doubtful.size(); ++n) {
      if ((*tokens)[n])
        current.push_back(doubtful[n]);
      else
        out[doubtful[n]] = AppendOutcome::conflict;
    }
    return true;
  }

  void follow_up(std::span<const Append> batch, const Part& part, const Outcomes& out) {
    Writes snapshots{progress_.get(), nullptr};
    for (const auto i : part) {
      if (out[i] != AppendOutcome::stored) continue;
      auto change = snapshot_update(*batch[i].after);
      // There may be a log and no document yet: whoever wrote the first chunk died before it.
      const bool has_document = batch[i].before && batch[i].before->progress.is_before_log();
      if (!has_document) {
        Bson owner;
        owner.text("email", *batch[i].after->progress.owner);
        change.document("$setOnInsert", owner);
      }
      snapshots.update(filter_of_older(batch[i]), change, !has_document);
    }
    if (snapshots.empty()) return;
    BulkReply done;
    const auto fault = snapshots.execute(done);
    // A newer snapshot is there already where nothing matched, or an upsert met one (invariant 4).
    if (fault && (fault->network || fault->not_sent || done.errors.empty())) return;
    for (const auto i : part)
      if (out[i] == AppendOutcome::stored) settled_.push_back({batch[i].after->stream, batch[i].chunk.first});
  }

  /// Says of chunks whose snapshot has followed that they need no sweep.
  void clear_open() {
    if (!ready()) return;
    Writes chunks{events_.get(), nullptr};
    for (const auto& [stream, first] : settled_) {
      Bson filter = stream_filter(stream);
      filter.document("_id", chunk_id(stream, first));
      Bson member, change;
      member.text("open", "");
      change.document("$unset", member);
      chunks.update(filter, change);
    }
    BulkReply done;
    chunks.execute(done);  // what fails is swept
    settled_.clear();
  }

  std::shared_ptr<Shared> shared_;
  Lease lease_;
  Collection progress_;
  Collection events_;
  Session session_;
  std::unordered_map<StreamId, steady_clock::time_point> contended_;
  std::unordered_map<StreamId, std::vector<std::shared_ptr<OpenCommits::Entry>>> unsettled_;
  std::vector<ChunkQuery> settled_;
};

}  // namespace

std::unique_ptr<EventStore> make_writer(std::shared_ptr<Shared> shared) {
  return std::make_unique<Writer>(std::move(shared));
}

}  // namespace pebbles::store::mongo
