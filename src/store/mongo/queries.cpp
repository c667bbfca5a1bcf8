#include "store/mongo/queries.hpp"

#include <algorithm>
#include <map>

namespace pebbles::store::mongo {
namespace {

/// Half a dozen indexes begin with the client's name. With a hint the server need not weigh them against each other.
void hint(Bson& options, std::initializer_list<std::string_view> fields) {
  Bson keys;
  for (const auto field : fields) keys.small(field, 1);
  options.document("hint", keys);
}

/// A find per client, with all of its file names: one range of the unique index each.
template <class Take>
Result<void> find_by_names(mongoc_collection_t* collection, std::span<const StreamId> streams, Bson options,
                           Take&& take, const mongoc_read_prefs_t* prefs = nullptr) {
  hint(options, {"clientKrn", "filename", "email"});
  std::map<std::string_view, BsonArray> names_of_client;
  for (const auto& stream : streams)
    names_of_client[*stream.client].add([&](Bson& array, std::string_view key) { array.text(key, *stream.filename); });
  for (const auto& [client, names] : names_of_client) {
    Bson among, filter;
    among.array("$in", names.get());
    filter.text("clientKrn", client).document("filename", among);
    PEBBLES_TRY_VOID(find(collection, filter, options, take, prefs));
  }
  return {};
}

/// Documents by their `_id`s, with client and names beside them for the router of a sharded cluster.
template <class Take>
Result<void> find_by_chunk(mongoc_collection_t* events, std::span<const ChunkQuery> queries, Bson options,
                           Take&& take) {
  hint(options, {"_id"});
  struct Wanted {
    BsonArray names;
    BsonArray ids;
  };
  std::map<std::string_view, Wanted> of_client;
  for (const auto& query : queries) {
    auto& wanted = of_client[*query.stream.client];
    wanted.names.add([&](Bson& array, std::string_view key) { array.text(key, *query.stream.filename); });
    const auto id = chunk_id(query.stream, query.first);
    wanted.ids.add([&](Bson& array, std::string_view key) { array.document(key, id); });
  }
  for (const auto& [client, wanted] : of_client) {
    Bson names, ids, filter;
    names.array("$in", wanted.names.get());
    ids.array("$in", wanted.ids.get());
    filter.document("_id", ids).text("clientKrn", client).document("filename", names);
    PEBBLES_TRY_VOID(find(events, filter, options, take));
  }
  return {};
}

std::vector<ChunkQuery> beginnings_of(std::span<const StreamId> streams) {
  std::vector<ChunkQuery> out;
  out.reserve(streams.size());
  for (const auto& stream : streams) out.push_back({.stream = stream, .first = 1});
  return out;
}

Bson projection_of(std::initializer_list<std::string_view> names) {
  Bson fields, out;
  for (const auto name : names) fields.small(name, 1);
  out.document("projection", fields);
  return out;
}

}  // namespace

bool precedes(const Snapshot& a, const Snapshot& b) {
  if (a.progress.version != b.progress.version) return a.progress.version > b.progress.version;
  return std::tie(a.progress.created_at, a.progress.id) < std::tie(b.progress.created_at, b.progress.id);
}

Result<std::unordered_map<StreamId, std::shared_ptr<Snapshot>>> find_snapshots(mongoc_collection_t* progress,
                                                                               std::span<const StreamId> streams,
                                                                               const mongoc_read_prefs_t* prefs,
                                                                               UnreadableStreams* unreadable) {
  std::unordered_map<StreamId, std::shared_ptr<Snapshot>> out;
  std::optional<Error> bad;
  PEBBLES_TRY_VOID(find_by_names(
      progress, streams, Bson{},
      [&](const bson_t* document) {
        auto read = read_snapshot(document);
        if (!read && unreadable != nullptr) {
          unreadable->emplace(stream_in(document), read.error().detail);
          return true;
        }
        if (!read) {
          bad = read.error();
          return false;
        }
        if (read->is_remains) return true;
        auto& known = out[read->snapshot->stream];
        if (!known || precedes(*read->snapshot, *known)) known = std::move(read->snapshot);
        return true;
      },
      prefs));
  if (bad) return std::unexpected{*std::move(bad)};
  if (unreadable != nullptr)
    for (const auto& entry : *unreadable) out.erase(entry.first);
  return out;
}

Result<std::unordered_map<StreamId, Place>> find_places(mongoc_collection_t* progress,
                                                        std::span<const StreamId> streams) {
  std::unordered_map<StreamId, Place> out;
  const auto take = [&](const bson_t* document) {
    StreamId stream;
    Place place;
    each_member(document, [&](std::string_view name, const bson_iter_t& member) {
      if (name == "_id" && BSON_ITER_HOLDS_OID(&member))
        std::copy_n(bson_iter_oid(&member)->bytes, place.id.size(), place.id.begin());
      if (name == "clientKrn") stream.client = domain::ClientKrn{std::string{text_of(member)}};
      if (name == "filename") stream.filename = domain::Filename{std::string{text_of(member)}};
      if (name == "rev") place.rev = bson_iter_as_int64(&member);
      if (name == "version") place.version = bson_iter_as_int64(&member);
      if (name == "head") place.head = reference_of(member);
      if (name == "deletedAt") place.is_deleted = true;
    });
    if (place.version == 0 || place.head.first == 0) return true;  // no log, or remains of a life that is over
    auto& known = out[std::move(stream)];
    if (place.version > known.version) known = place;
    return true;
  };
  const auto fields = projection_of({"clientKrn", "filename", "rev", "version", "head", "deletedAt"});
  PEBBLES_TRY_VOID(find_by_names(progress, streams, Bson{fields.get()}, take));
  return out;
}

Result<std::unordered_set<StreamId>> streams_with_log(mongoc_collection_t* events, std::span<const StreamId> streams) {
  std::unordered_set<StreamId> out;
  PEBBLES_TRY_VOID(
      find_by_chunk(events, beginnings_of(streams), projection_of({"_id", "format"}), [&](const bson_t* document) {
        if (auto chunk = read_chunk(document)) out.insert(std::move(chunk->stream));
        return true;
      }));
  return out;
}

Result<std::vector<bool>> find_predecessors(mongoc_collection_t* events, std::span<const Predecessor> queries) {
  std::vector<bool> out(queries.size());
  if (queries.empty()) return out;
  struct Log {
    bool begins = false;     ///< it has a beginning,
    std::optional<Cut> cut;  ///< and that is this baseline,
    bool is_held = false;    ///< which somebody has marked
    std::vector<Chunk> others;
  };
  std::unordered_map<StreamId, Log> found;
  std::vector<ChunkQuery> chunks;
  for (const auto& query : queries) {
    chunks.push_back({.stream = query.stream, .first = 1});
    if (query.head.first > 1) chunks.push_back({.stream = query.stream, .first = query.head.first});
  }
  const auto fields = projection_of({"_id", "format", "n", "hash", "cut", "heldAt"});
  PEBBLES_TRY_VOID(find_by_chunk(events, chunks, Bson{fields.get()}, [&](const bson_t* document) {
    auto stored = read_chunk(document);
    if (!stored) return true;
    auto& known = found[stored->stream];
    known.begins = known.begins || stored->chunk.first == 1;
    if (stored->cut) {
      known.cut = stored->cut;
      known.is_held = bson_has_field(document, "heldAt");
    } else if (stored->events > 0) {
      known.others.push_back(std::move(stored->chunk));
    }
    return true;
  }));
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const auto& query = queries[i];
    const auto& known = found[query.stream];
    if (!known.begins) continue;
    if (known.cut && known.cut->version >= query.version)
      out[i] =
          (known.is_held || !query.is_held) && known.cut->version == query.version && known.cut->head == query.head;
    else
      out[i] = std::ranges::any_of(known.others, [&](const Chunk& chunk) {
        return chunk.first == query.head.first && chunk.hash == query.head.hash;
      });
  }
  return out;
}

Result<std::optional<Cut>> find_cut(mongoc_collection_t* events, const StreamId& stream) {
  PEBBLES_TRY(cuts, find_cuts(events, std::span{&stream, 1}));
  return cuts[stream];
}

Result<std::unordered_map<StreamId, std::optional<Cut>>> find_cuts(mongoc_collection_t* events,
                                                                   std::span<const StreamId> streams) {
  std::unordered_map<StreamId, std::optional<Cut>> out;
  PEBBLES_TRY_VOID(find_by_chunk(events, beginnings_of(streams), projection_of({"_id", "format", "cut", "cutAt"}),
                                 [&](const bson_t* document) {
                                   if (auto chunk = read_chunk(document)) out[std::move(chunk->stream)] = chunk->cut;
                                   return true;
                                 }));
  return out;
}

Result<std::vector<Chunk>> find_chunks(mongoc_collection_t* events, const StreamId& stream, Version from,
                                       const mongoc_read_prefs_t* prefs) {
  std::vector<Chunk> out;
  std::optional<Error> bad;
  const auto take = [&](const bson_t* document) {
    auto stored = read_whole_chunk(document);
    if (!stored) {
      bad = stored.error();
      return false;
    }
    if (stored->events > 0) out.push_back(std::move(stored->chunk));
    return true;
  };
  Bson order, options;
  order.small("_id", 1);
  options.document("sort", order).document("hint", order);
  if (from <= 1) {
    Bson first = stream_filter(stream);
    first.document("_id", chunk_id(stream, 1));
    PEBBLES_TRY_VOID(find(events, first, options, take, prefs));
    if (!bad && out.empty()) return out;
    if (!bad) from = out.back().events.back().version + 1;
  }
  if (!bad) PEBBLES_TRY_VOID(find(events, chunks_from(stream, from), options, take, prefs));
  if (bad) return std::unexpected{*std::move(bad)};
  return out;
}

Result<void> read_on(mongoc_collection_t* events, const StreamId& stream, std::shared_ptr<Snapshot>& state,
                     const mongoc_read_prefs_t* prefs) {
  PEBBLES_TRY(chunks, find_chunks(events, stream, state ? state->progress.version + 1 : 1, prefs));
  if (chunks.empty()) return {};
  if (state && !follows(chunks.front(), *state)) {
    PEBBLES_TRY(whole, find_chunks(events, stream, 1, prefs));
    chunks = std::move(whole);
    auto anew = std::make_shared<Snapshot>();
    anew->rev = state->rev;
    state = std::move(anew);
  }
  if (!state) state = std::make_shared<Snapshot>();
  state->stream = stream;
  return fold_onto(*state, chunks);
}

Result<std::vector<std::optional<domain::KeyHit>>> find_key_hits(mongoc_collection_t* events,
                                                                 std::span<const KeyQuery> queries) {
  std::vector<std::optional<domain::KeyHit>> out(queries.size());
  if (queries.empty()) return out;
  // All keys of a stream in one clause; some hundred clauses a find.
  using Askers = std::unordered_map<domain::ShortDigest, std::vector<std::size_t>, domain::DigestHash>;
  std::unordered_map<StreamId, Askers> of_stream;
  for (std::size_t i = 0; i < queries.size(); ++i) of_stream[queries[i].stream][queries[i].hash].push_back(i);
  constexpr std::size_t clauses_max = 200;
  std::optional<Error> bad;
  const auto take = [&](const bson_t* document) {
    auto stored = read_whole_chunk(document);
    if (!stored) {
      bad = stored.error();
      return false;
    }
    const auto& askers = of_stream[stored->stream];
    const auto carried = keys_of(stored->chunk);
    for (const auto* const keys : {&carried, &std::as_const(stored->kept)}) {
      for (const auto& key : *keys) {
        const auto asked = askers.find(key.hash);
        if (asked == askers.end()) continue;
        for (const auto i : asked->second) out[i] = key.hit;
      }
    }
    return true;
  };
  auto next = of_stream.cbegin();
  while (next != of_stream.cend() && !bad) {
    BsonArray clauses;
    for (std::size_t n = 0; n < clauses_max && next != of_stream.cend(); ++n, ++next) {
      BsonArray hashes;
      for (const auto& [hash, askers] : next->second)
        hashes.add([&](Bson& array, std::string_view key) { array.binary(key, hash); });
      Bson among;
      among.array("$in", hashes.get());
      Bson clause = stream_filter(next->first);
      clause.document("keys", among);
      clauses.add([&](Bson& array, std::string_view key) { array.document(key, clause); });
    }
    Bson filter;
    filter.array("$or", clauses.get());
    PEBBLES_TRY_VOID(find(events, filter, projection_of({"_id", "format", "n", "events", "keys", "kept"}), take));
  }
  if (bad) return std::unexpected{*std::move(bad)};
  return out;
}

Result<std::vector<std::optional<Token>>> find_chunk_tokens(mongoc_collection_t* events,
                                                            std::span<const ChunkQuery> queries) {
  std::vector<std::optional<Token>> out(queries.size());
  if (queries.empty()) return out;
  PEBBLES_TRY_VOID(
      find_by_chunk(events, queries, projection_of({"_id", "format", "token"}), [&](const bson_t* document) {
        const auto chunk = read_chunk(document);
        if (!chunk) return true;
        for (std::size_t i = 0; i < queries.size(); ++i)
          if (queries[i].first == chunk->chunk.first && queries[i].stream == chunk->stream) out[i] = chunk->chunk.token;
        return true;
      }));
  return out;
}

}  // namespace pebbles::store::mongo
