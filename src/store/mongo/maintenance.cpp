#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <utility>

#include "store/compare.hpp"
#include "store/mongo/bulk.hpp"
#include "store/mongo/documents.hpp"
#include "store/mongo/queries.hpp"
#include "store/mongo/shared.hpp"
#include "store/mongo/summaries.hpp"

namespace pebbles::store {
namespace mongo {
namespace {

constexpr std::int64_t slice_max = 1000;

/// Walks over all streams that have a log, a slice at a time, so that memory stays flat.
class Walk {
 public:
  Walk(Shared& shared, const Lease& lease)
      : events{shared.collection(lease, events_name)}, progress{shared.collection(lease, progress_name)} {}

  /// The streams behind those of the last call, by the index of `_id` alone. Empty at the end.
  Result<std::vector<StreamId>> next_streams() {
    std::vector<StreamId> out;
    Bson filter, options, order, fields;
    if (last_) {
      Bson behind, end = stream_filter(*last_);
      end.max_key("first");
      behind.document("$gt", end);
      filter.document("_id", behind);
    }
    order.small("_id", 1);
    fields.small("_id", 1);
    options.document("sort", order).document("projection", fields).integer("limit", slice_max);
    PEBBLES_TRY_VOID(find(events.get(), filter, options, [&](const bson_t* document) {
      each_member(document, [&](std::string_view, const bson_iter_t& id) {
        StreamId stream;
        each_member(id, [&](std::string_view part, const bson_iter_t& value) {
          if (part == "clientKrn") stream.client = domain::ClientKrn{std::string{text_of(value)}};
          if (part == "filename") stream.filename = domain::Filename{std::string{text_of(value)}};
        });
        if (out.empty() || out.back() != stream) out.push_back(std::move(stream));
      });
      return true;
    }));
    if (!out.empty()) last_ = out.back();
    return out;
  }

  /// Calls `take` with every chunk of these streams, stream by stream and in order.
  template <class Take>
  Result<void> chunks_of(const std::vector<StreamId>& streams, Take&& take) {
    Bson from, filter, options, order;
    Bson end = stream_filter(streams.back());
    end.max_key("first");
    from.document("$gte", chunk_id(streams.front(), 0)).document("$lte", end);
    filter.document("_id", from);
    order.small("_id", 1);
    options.document("sort", order);
    std::optional<Error> bad;
    PEBBLES_TRY_VOID(find(events.get(), filter, options, [&](const bson_t* document) {
      auto stored = read_chunk(document);
      if (!stored) bad = stored.error();
      if (!stored) return false;
      take(*std::move(stored));
      return true;
    }));
    if (bad) return std::unexpected{*std::move(bad)};
    return {};
  }

  std::int64_t count() const {
    bson_error_t error;
    return std::max<std::int64_t>(
        0, mongoc_collection_estimated_document_count(progress.get(), nullptr, nullptr, nullptr, &error));
  }

  Collection events;
  Collection progress;

 private:
  std::optional<StreamId> last_;
};

/// Every document of `progress`, a slice at a time, in the order of client, file and owner.
template <class Take>
Result<void> each_document(mongoc_collection_t* progress, Take&& take) {
  Bson order, options;
  order.small("clientKrn", 1).small("filename", 1).small("email", 1);
  options.document("sort", order).document("hint", order).integer("batchSize", slice_max);
  options.boolean("noCursorTimeout", true);
  return find(progress, Bson{}, options, [&](const bson_t* document) {
    take(read_snapshot(document), document);
    return true;
  });
}

Result<Lease> open_lease(Shared& shared) {
  auto lease = shared.lease();
  if (!lease) return failure(Errc::store_unavailable, "MongoDB: no client is free");
  PEBBLES_TRY_VOID(shared.prepare(lease));
  return lease;
}

/// The fold of one stream, as far as it has been read.
struct Folded {
  Snapshot state;
  Version cut = 0;  ///< of the baseline with which its log begins
  std::optional<std::string> fault;
  std::optional<Snapshot> at_snapshot;  ///< as it was at the version of the snapshot read before
};

/// True where the chunk was proved, and counts.
bool fold(Folded& folded, StoredChunk& stored, const Snapshot* kept) {
  // What a baseline stands for, and has not been taken away yet, is nobody's any more.
  if (folded.fault || (stored.chunk.first > 1 && stored.chunk.first <= folded.cut)) return false;
  if (stored.events == 0) {
    folded.fault = fmt::format("version {}: the events are gone, and there is no baseline", stored.chunk.first);
    return false;
  }
  folded.fault = fold_proved(folded.state, stored.chunk, stored.text, stored.events);
  if (!folded.fault && stored.cut) {
    folded.cut = stored.cut->version;
    if (folded.cut != folded.state.progress.version || stored.cut->head != folded.state.head)
      folded.fault = fmt::format("version {}: the baseline is not what its document says", stored.chunk.first);
  }
  if (!folded.fault && kept != nullptr && folded.state.progress.version == kept->progress.version)
    folded.at_snapshot = folded.state;
  return !folded.fault;
}

/// Of a deleted file whose log is cut nothing else has to be there.
bool needs_no_document(const Folded& folded) {
  return !folded.state.progress.exists() && folded.cut == folded.state.progress.version;
}

class Verifier {
 public:
  Verifier(Shared& shared, const Lease& lease, const VerifyOptions& how) : walk_{shared, lease}, how_{how} {}

  Result<VerifyReport> run() {
    const auto total = walk_.count();
    for (;;) {
      PEBBLES_TRY(streams, walk_.next_streams());
      if (streams.empty()) break;
      PEBBLES_TRY_VOID(verify(streams));
      if (how_.on_progress) how_.on_progress(report_.streams, std::max(total, report_.streams));
    }
    PEBBLES_TRY_VOID(verify_documents());
    report_.finish(how_);
    return std::move(report_);
  }

 private:
  /// Snapshots are read before the chunks: the log leads, so whatever a running server adds meanwhile, each snapshot's
  /// version is among the chunks read after it. Unless the log is cut just now: what differs is looked at again, alone.
  Result<void> verify(const std::vector<StreamId>& streams) {
    std::vector<StreamId> differing;
    PEBBLES_TRY_VOID(each_folded(streams, [&](const Folded& folded, const Snapshot* kept) {
      ++report_.streams;
      if (judge(folded, kept)) return differing.push_back(folded.state.stream);
      (void)report_.walked(folded.state, std::nullopt, how_);
      if ((kept == nullptr || kept->progress.version == 0) && !needs_no_document(folded)) ++report_.not_yet_written;
    }));
    counts_ = false;
    for (const auto& stream : differing) {
      PEBBLES_TRY_VOID(each_folded({stream}, [&](const Folded& folded, const Snapshot* kept) {
        if (!report_.walked(folded.state, folded.fault, how_)) return;
        if (auto what = judge(folded, kept)) report_.differ(stream, *std::move(what));
      }));
    }
    counts_ = true;
    return {};
  }

  template <class Take>
  Result<void> each_folded(const std::vector<StreamId>& streams, Take&& take) {
    UnreadableStreams unreadable;  // told of by verify_documents
    PEBBLES_TRY(kept, find_snapshots(walk_.progress.get(), streams, nullptr, &unreadable));
    Folded folded;
    folded.state.stream = streams.front();
    const auto snapshot_of = [&](const StreamId& stream) -> const Snapshot* {
      const auto known = kept.find(stream);
      return known == kept.end() ? nullptr : known->second.get();
    };
    PEBBLES_TRY_VOID(walk_.chunks_of(streams, [&](StoredChunk stored) {
      if (stored.stream != folded.state.stream) {
        take(folded, snapshot_of(folded.state.stream));
        folded = {};
        folded.state.stream = stored.stream;
      }
      if (counts_) ++report_.chunks;
      if (counts_) report_.events += stored.events;
      const bool is_proved = fold(folded, stored, snapshot_of(stored.stream));
      if (is_proved && how_.kept_heads != nullptr) how_.kept_heads->saw(stored.stream, stored.chunk);
    }));
    take(folded, snapshot_of(folded.state.stream));
    return {};
  }

  /// What is wrong, if anything.
  static std::optional<std::string> judge(const Folded& folded, const Snapshot* kept) {
    if (folded.fault) return folded.fault;
    if (kept == nullptr || kept->progress.version == 0) return std::nullopt;
    if (!folded.at_snapshot)
      return fmt::format("the log ends at version {}, the snapshot knows {}", folded.state.progress.version,
                         kept->progress.version);
    return difference(*kept, *folded.at_snapshot);
  }

  /// What only the snapshots tell: files without a log, two owners of one file, and one that was deleted and stands.
  Result<void> verify_documents() {
    std::shared_ptr<Snapshot> file;  // of the documents of one name, the one that is the file
    std::vector<StreamId> to_look_up;
    std::optional<Error> failed;
    const auto look_up = [&] {
      auto with_log = streams_with_log(walk_.events.get(), to_look_up);
      if (!with_log) {
        failed = with_log.error();
        return;
      }
      for (const auto& stream : to_look_up)
        if (!with_log->contains(stream)) report_.differ(stream, "the log of the snapshot is missing");
      to_look_up.clear();
    };
    PEBBLES_TRY_VOID(each_document(walk_.progress.get(), [&](Result<StoredSnapshot> read, const bson_t* document) {
      if (!read) report_.differ(stream_in(document), "cannot be read: " + read.error().detail);
      if (!read || failed || read->is_remains) return;
      const auto& snapshot = *read->snapshot;
      const bool is_second = file && file->stream == snapshot.stream;
      const bool precedes_it = is_second && precedes(snapshot, *file);
      const auto& other = precedes_it ? *file : snapshot;
      if (is_second && (precedes_it ? snapshot : *file).progress.version > 0 && other.progress.version > 0) {
        if (other.progress.exists()) report_.differ(snapshot.stream, "was deleted, and its snapshot stands");
      } else if (is_second) {
        report_.differ(snapshot.stream, fmt::format("has a second owner, {}", *other.progress.owner));
      }
      if (!is_second || precedes_it) file = read->snapshot;
      if (snapshot.progress.version == 0)
        ++report_.without_log;
      else
        to_look_up.push_back(snapshot.stream);
      if (std::cmp_greater_equal(to_look_up.size(), slice_max)) look_up();
    }));
    if (!to_look_up.empty()) look_up();
    if (failed) return std::unexpected{*std::move(failed)};
    return {};
  }

  Walk walk_;
  const VerifyOptions& how_;
  VerifyReport report_;
  bool counts_ = true;  ///< what is read, or it was counted before
};

class Rebuilder {
 public:
  Rebuilder(Shared& shared, const Lease& lease, const OnProgress& on_progress)
      : shared_{shared}, lease_{lease}, walk_{shared, lease}, on_progress_{on_progress} {}

  Result<RebuildReport> run() {
    const auto total = walk_.count();
    PEBBLES_TRY_VOID(quarantine_unreadable());
    for (;;) {
      PEBBLES_TRY(streams, walk_.next_streams());
      if (streams.empty()) break;
      PEBBLES_TRY_VOID(rebuild(streams));
      PEBBLES_TRY_VOID(note_disturbances());
      if (on_progress_) on_progress_(report_.streams, std::max(total, report_.streams));
    }
    PEBBLES_TRY_VOID(remove_what_was_deleted());
    return std::move(report_);
  }

 private:
  /// What cannot be read is kept apart, whole and with the reason. Where the file has a log, its snapshot is then
  /// derived from that, as one that is missing.
  Result<void> quarantine_unreadable() {
    std::optional<Error> failed;
    const auto quarantine = shared_.collection(lease_, quarantine_name);
    PEBBLES_TRY_VOID(each_document(walk_.progress.get(), [&](Result<StoredSnapshot> read, const bson_t* document) {
      if (read || failed) return;
      const auto moved = move_to(quarantine.get(), document, read.error().detail);
      if (!moved) failed = moved.error();
      if (moved) disturbed_.insert(*stream_in(document).client);
      if (moved) ++report_.quarantined;
    }));
    if (failed) return std::unexpected{*std::move(failed)};
    return note_disturbances();
  }

  Result<void> move_to(mongoc_collection_t* quarantine, const bson_t* document, std::string_view why) {
    bson_error_t error;
    Bson kept, filter;
    kept.text("collection", progress_name).text("reason", why).document("document", Bson{document});
    if (!mongoc_collection_insert_one(quarantine, kept.get(), nullptr, nullptr, &error))
      return std::unexpected{Fault::of(error, nullptr).to_error()};
    Bson missing;
    missing.boolean("$exists", false);
    for (const char* const name : {"_id", "clientKrn", "filename"}) {
      bson_iter_t member;
      if (!bson_iter_init_find(&member, document, name))
        filter.document(name, missing);
      else
        filter.document(name, equal_to(member));
    }
    if (!mongoc_collection_delete_one(walk_.progress.get(), filter.get(), nullptr, nullptr, &error))
      return std::unexpected{Fault::of(error, nullptr).to_error()};
    return {};
  }

  static Bson equal_to(const bson_iter_t& member) {
    Bson out;
    bson_append_iter(out.get(), "$eq", -1, &member);
    return out;
  }

  /// A life that is over may have left a snapshot beside the newer one: an instance stood still for long, and wrote
  /// then.
  Result<void> remove_what_was_deleted() {
    std::shared_ptr<Snapshot> file;  // the newest of the documents of one name
    Writes writes{walk_.progress.get(), nullptr};
    PEBBLES_TRY_VOID(each_document(walk_.progress.get(), [&](Result<StoredSnapshot> read, const bson_t*) {
      if (!read || read->is_remains) return;
      auto snapshot = std::move(read->snapshot);
      if (snapshot->progress.version == 0) ++report_.without_log;
      if (file && file->stream == snapshot->stream && file->progress.version > 0 && snapshot->progress.version > 0) {
        if (precedes(*snapshot, *file)) std::swap(file, snapshot);
        if (!snapshot->progress.exists()) return;
        writes.remove(filter_of(*snapshot));
        ++report_.rewritten;
        return;
      }
      file = std::move(snapshot);
    }));
    if (writes.empty()) return {};
    BulkReply done;
    if (const auto fault = writes.execute(done)) return std::unexpected{fault->to_error()};
    return {};
  }

  /// A log that is cut just now looks as if it contradicted itself: it is looked at again, alone.
  Result<void> rebuild(const std::vector<StreamId>& streams) {
    std::vector<StreamId> faulty;
    PEBBLES_TRY_VOID(rebuild(streams, [&](const Folded& folded) { faulty.push_back(folded.state.stream); }));
    for (const auto& stream : faulty) {
      --report_.streams;
      PEBBLES_TRY_VOID(
          rebuild({stream}, [&](const Folded& folded) { report_.fail(folded.state.stream, *folded.fault); }));
    }
    return {};
  }

  template <class TakeFault>
  Result<void> rebuild(const std::vector<StreamId>& streams, TakeFault&& take_fault) {
    PEBBLES_TRY(kept, find_snapshots(walk_.progress.get(), streams));
    Folded folded;
    folded.state.stream = streams.front();
    std::optional<Error> failed;
    const auto conclude_stream = [&] {
      const auto known = kept.find(folded.state.stream);
      if (folded.fault) {
        ++report_.streams;
        return take_fault(folded);
      }
      const auto done = conclude(folded, known == kept.end() ? nullptr : known->second.get());
      if (!done && !failed) failed = done.error();
    };
    PEBBLES_TRY_VOID(walk_.chunks_of(streams, [&](StoredChunk stored) {
      if (stored.stream != folded.state.stream) {
        conclude_stream();
        folded = {};
        folded.state.stream = stored.stream;
      }
      const auto known = kept.find(stored.stream);
      fold(folded, stored, known == kept.end() ? nullptr : known->second.get());
    }));
    conclude_stream();
    if (failed) return std::unexpected{*std::move(failed)};
    return {};
  }

  Result<void> note_disturbances() {
    for (const auto& client : std::exchange(disturbed_, {}))
      PEBBLES_TRY_VOID(note_disturbance(shared_, lease_, domain::ClientKrn{client}));
    return {};
  }

  Result<void> conclude(Folded& folded, const Snapshot* kept) {
    ++report_.streams;
    auto& stream = folded.state.stream;
    if (kept == nullptr && needs_no_document(folded)) return {};
    const bool has_snapshot = kept != nullptr && kept->progress.version > 0;
    if (has_snapshot && !folded.at_snapshot && kept->progress.version > folded.state.progress.version) {
      report_.fail(stream, fmt::format("the log ends at version {}, the snapshot knows {}",
                                       folded.state.progress.version, kept->progress.version));
      return {};
    }
    // A running server may have gone on: what is replaced is exactly the snapshot that was read (invariant 14).
    const bool is_over = has_snapshot && kept->progress.exists() && kept->progress.id != life_of(folded.state);
    auto& target = folded.at_snapshot && !is_over ? *folded.at_snapshot : folded.state;
    if (has_snapshot && kept->fold == domain::fold_number && folded.at_snapshot && !is_over &&
        !difference(*kept, target))
      return {};
    target.rev = (kept != nullptr ? kept->rev : 0) + 1;
    if (is_over) PEBBLES_TRY_VOID(remove(*kept));
    if (!needs_no_document(folded)) PEBBLES_TRY_VOID(put(target, is_over ? nullptr : kept));
    disturbed_.insert(*stream.client);
    ++report_.rewritten;
    return {};
  }

  /// The life that a stream is in; none where the last one is over.
  static std::optional<domain::FileId> life_of(const Snapshot& state) {
    return state.progress.exists() ? std::optional{state.progress.id} : std::nullopt;
  }

  /// Exactly the document that was read.
  static Bson filter_of(const Snapshot& kept) {
    Bson out;
    out.object_id("_id", kept.progress.id);
    out.text("clientKrn", *kept.stream.client).text("filename", *kept.stream.filename);
    if (kept.progress.version > 0) out.integer("version", kept.progress.version).integer("rev", kept.rev);
    return out;
  }

  Result<void> remove(const Snapshot& kept) {
    bson_error_t error;
    if (mongoc_collection_delete_one(walk_.progress.get(), filter_of(kept).get(), nullptr, nullptr, &error)) return {};
    return std::unexpected{Fault::of(error, nullptr).to_error()};
  }

  Result<void> put(const Snapshot& state, const Snapshot* kept) {
    bson_error_t error;
    if (kept == nullptr) {
      const auto document = snapshot_document(state);
      if (mongoc_collection_insert_one(walk_.progress.get(), document.get(), nullptr, nullptr, &error)) return {};
      if (error.code == duplicate_key) return {};  // a server has written it meanwhile
      return std::unexpected{Fault::of(error, nullptr).to_error()};
    }
    const auto filter = filter_of(*kept);
    if (!state.progress.exists()) {
      const auto tombstone = snapshot_document(state);
      if (mongoc_collection_replace_one(walk_.progress.get(), filter.get(), tombstone.get(), nullptr, nullptr, &error))
        return {};
      return std::unexpected{Fault::of(error, nullptr).to_error()};
    }
    auto change = snapshot_update(state);
    Bson gone;
    if (state.progress.positions.empty()) gone.text("positions", "");
    if (!state.progress.completed_at) gone.text("completedAt", "");
    if (!bson_empty(gone.get())) change.document("$unset", gone);
    if (mongoc_collection_update_one(walk_.progress.get(), filter.get(), change.get(), nullptr, nullptr, &error))
      return {};
    return std::unexpected{Fault::of(error, nullptr).to_error()};
  }

  Shared& shared_;
  const Lease& lease_;
  Walk walk_;
  const OnProgress& on_progress_;
  RebuildReport report_;
  std::set<std::string> disturbed_;  ///< clients of whom this slice has changed files
};

}  // namespace
}  // namespace mongo

Result<VerifyReport> verify_mongo(const MongoOptions& options, const VerifyOptions& how) {
  PEBBLES_TRY(shared, mongo::Shared::make(options));
  PEBBLES_TRY(lease, mongo::open_lease(*shared));
  auto report = mongo::Verifier{*shared, lease, how}.run();
  shared->leave(lease);  // else the tail would wait for it
  return report;
}

Result<RebuildReport> rebuild_mongo(const MongoOptions& options, const OnProgress& on_progress) {
  PEBBLES_TRY(shared, mongo::Shared::make(options));
  PEBBLES_TRY(lease, mongo::open_lease(*shared));
  auto report = mongo::Rebuilder{*shared, lease, on_progress}.run();
  shared->leave(lease);
  return report;
}

}  // namespace pebbles::store
