#include <algorithm>
#include <condition_variable>
#include <tuple>
#include <unordered_map>

#include <fmt/core.h>
#include "store/sqlite/database.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::store::sqlite {
namespace {

struct ReadConnection {
  explicit ReadConnection(const OpenOptions& options)
      : connection{open_reader(options)},
        rows{connection},
        list{connection.prepare(list_sql(""))},
        list_of_owner{connection.prepare(list_sql("AND p.email=?4"))},
        tail{connection.prepare(fmt::format("SELECT {}, s.client, s.filename FROM progress_events e "
                                            "JOIN streams s USING(stream) WHERE e.seq>? ORDER BY e.seq",
                                            chunk_columns))},
        ping{connection.prepare("SELECT value FROM meta WHERE name='indexed_seq'")} {}

  static std::string list_sql(std::string_view owner) {
    return fmt::format(
        "SELECT {} FROM progress p LEFT JOIN progress_items i USING(stream) WHERE p.client=?1 {} AND "
        "(p.updated_at, p.id) < (?2, ?3) ORDER BY p.updated_at DESC, p.id DESC",
        snapshot_columns, owner);
  }

  Connection connection;
  Rows rows;
  Statement list;
  Statement list_of_owner;
  Statement tail;
  Statement ping;
};

/// A list's order: newest first, ids break ties.
auto list_key(const Snapshot& snapshot) { return std::tie(snapshot.progress.updated_at, snapshot.progress.id); }
bool newer(const SnapshotPtr& a, const SnapshotPtr& b) { return list_key(*a) > list_key(*b); }

/// A file that was deleted is like one that never was; and under its name another life may have begun.
SnapshotPtr shown(SnapshotPtr state) { return state && state->progress.exists() ? std::move(state) : nullptr; }
SnapshotPtr shown(SnapshotPtr state, const domain::FileId& id) {
  return state && state->progress.id == id ? shown(std::move(state)) : nullptr;
}

bool belongs(const Snapshot& snapshot, const ListQuery& query) {
  if (!snapshot.progress.exists()) return false;
  if (query.owner && snapshot.progress.owner != *query.owner) return false;
  return !query.after || list_key(snapshot) < std::tie(query.after->updated_at, query.after->id);
}

class Reader final : public ProgressReader {
 public:
  explicit Reader(std::shared_ptr<Shared> shared) : shared_{std::move(shared)} {
    for (std::size_t i = 0; i < shared_->options.readers; ++i)
      idle_.push_back(std::make_unique<ReadConnection>(shared_->open_options()));
  }

  // In every call the streams in memory are asked before the tables: what is written out in between is then seen
  // twice, which a comparison of versions settles, and never missed.

  SnapshotPtr at_hand(const StreamId& stream) override {
    if (auto recent = shared_->recent.latest(stream)) return shown(std::move(recent));
    return shared_->cache.find(stream);
  }

  SnapshotPtr at_hand(const domain::ClientKrn& client, const domain::FileId& id) override {
    if (auto recent = shared_->recent.latest(client, id)) return shown(std::move(recent), id);
    return shared_->cache.find(client, id);
  }

  Result<SnapshotPtr> by_filename(const StreamId& stream) override {
    const auto before = shared_->cache.epoch();
    if (auto recent = shared_->recent.latest(stream)) return shown(std::move(recent));
    if (auto known = shared_->cache.find(stream)) return known;
    return cached(before, with_connection([&](ReadConnection& on) -> SnapshotPtr {
                    const auto row = on.rows.row_of(stream);
                    return row ? on.rows.snapshot(*row) : nullptr;
                  }));
  }

  Result<SnapshotPtr> by_id(const domain::ClientKrn& client, const domain::FileId& id) override {
    const auto before = shared_->cache.epoch();
    if (auto recent = shared_->recent.latest(client, id)) return shown(std::move(recent), id);
    if (auto known = shared_->cache.find(client, id)) return known;
    return cached(before, with_connection([&](ReadConnection& on) { return on.rows.snapshot(client, id); }));
  }

  Result<ListPage> list(const domain::ClientKrn& client, const ListQuery& query) override {
    auto recent = shared_->recent.of_client(client);
    return with_connection([&](ReadConnection& on) { return page_of(on, client, query, std::move(recent)); });
  }

  Result<EventPage> events(const StreamId& stream, Version after, std::size_t limit) override {
    const auto recent = shared_->recent.seqs(stream, after);
    return with_connection([&](ReadConnection& on) {
      EventPage page;
      const auto row = on.rows.row_of(stream);
      if (!row) return page;
      Version last = after;
      const auto take = [&](StoredChunk stored) {
        decode(stored);
        for (auto& event : stored.chunk.events) {
          if (event.version <= last) continue;
          if (page.events.size() == limit) return page.more = true;
          last = event.version;
          page.events.push_back(std::move(event));
        }
        return false;
      };
      for (auto& stored : on.rows.chunks(*row, after, limit + 1))
        if (take(std::move(stored))) return page;
      for (const auto seq : recent)
        if (auto stored = on.rows.chunk_at(seq); stored && take(std::move(*stored))) return page;
      return page;
    });
  }

  Result<TailPage> tail(TailCursor cursor, std::size_t limit) override {
    return with_connection([&](ReadConnection& on) {
      TailPage page{.entries = {}, .next = cursor};
      auto rows = on.tail.run(cursor);
      while (page.entries.size() < limit && rows.next()) {
        auto stored = read_chunk(rows);
        decode(stored);
        const StreamId stream{domain::ClientKrn{std::string{rows.text(10)}},
                              domain::Filename{std::string{rows.text(11)}}};
        for (auto& event : stored.chunk.events)
          if (!std::holds_alternative<domain::Baseline>(event.what)) page.entries.push_back({stream, std::move(event)});
        page.next = stored.seq;
      }
      return page;
    });
  }

  Result<void> ping() override {
    const auto answer = with_connection([](ReadConnection& on) { return on.ping.run().next(); });
    if (!answer) return std::unexpected{answer.error()};
    return {};
  }

 private:
  /// Lends `work` a connection and one read transaction.
  template <class F>
  auto with_connection(F&& work) -> Result<decltype(work(std::declval<ReadConnection&>()))> {
    const auto inside = shared_->gate.enter();
    auto connection = borrow();
    auto result = guarded([&] {
      const ReadScope scope{connection->connection};
      return work(*connection);
    });
    give_back(std::move(connection));
    if (!result) telemetry::read_failed(result.error().detail);
    return result;
  }

  Result<SnapshotPtr> cached(SnapshotCache::Epoch before, Result<SnapshotPtr> read) {
    if (read && *read) shared_->cache.put(*read, before);
    return read;
  }

  std::unique_ptr<ReadConnection> borrow() {
    ++shared_->readers_waiting;
    std::unique_lock lock{mutex_};
    returned_.wait(lock, [&] { return !idle_.empty(); });
    auto connection = std::move(idle_.back());
    idle_.pop_back();
    --shared_->readers_waiting;
    ++shared_->readers_in_use;
    return connection;
  }

  void give_back(std::unique_ptr<ReadConnection> connection) {
    {
      const std::lock_guard lock{mutex_};
      idle_.push_back(std::move(connection));
      --shared_->readers_in_use;
    }
    returned_.notify_one();
  }

  /// Merges the streams in memory with the rows of the table, each stream once, by its newest version.
  static ListPage page_of(ReadConnection& on, const domain::ClientKrn& client, const ListQuery& query,
                          std::vector<SnapshotPtr> recent) {
    std::unordered_map<StreamId, SnapshotPtr> in_memory;
    for (const auto& snapshot : recent) in_memory.emplace(snapshot->stream, snapshot);
    std::erase_if(recent, [&](const SnapshotPtr& snapshot) { return !belongs(*snapshot, query); });

    std::vector<SnapshotPtr> stored;
    const auto bound = query.after ? query.after->updated_at.time_since_epoch().count() : INT64_MAX;
    const auto bound_id = query.after ? Blob{query.after->id} : Blob{};
    const std::string_view client_text = *client;
    auto rows = query.owner ? on.list_of_owner.run(client_text, bound, bound_id, std::string_view{**query.owner})
                            : on.list.run(client_text, bound, bound_id);
    while (stored.size() <= query.limit && rows.next()) {
      auto snapshot = read_snapshot(rows);
      const auto twin = in_memory.find(snapshot->stream);
      if (twin != in_memory.end()) {
        if (snapshot->progress.version <= twin->second->progress.version) continue;
        std::erase(recent, twin->second);  // written out, and further on, since it was copied
      }
      stored.push_back(std::move(snapshot));
    }

    ListPage page;
    page.records = std::move(stored);
    page.records.insert(page.records.end(), recent.begin(), recent.end());
    const auto wanted = std::min(page.records.size(), query.limit + 1);
    std::ranges::partial_sort(page.records, page.records.begin() + static_cast<std::ptrdiff_t>(wanted), newer);
    page.more = wanted > query.limit;
    page.records.resize(std::min(wanted, query.limit));
    return page;
  }

  std::shared_ptr<Shared> shared_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<ReadConnection>> idle_;
};

}  // namespace

std::unique_ptr<ProgressReader> make_reader(std::shared_ptr<Shared> shared) {
  return std::make_unique<Reader>(std::move(shared));
}

}  // namespace pebbles::store::sqlite
