#include <algorithm>
#include <condition_variable>
#include <tuple>
#include <unordered_map>

#include <fmt/core.h>
#include "store/event_page.hpp"
#include "store/sqlite/database.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::store::sqlite {
namespace {

/// Rows of the log that a page of a client's feed looks at: some ten milliseconds' worth.
constexpr std::int64_t feed_rows_max = 20'000;

struct ReadConnection {
  explicit ReadConnection(const OpenOptions& options)
      : connection{open_reader(options)},
        rows{connection},
        list{connection.prepare(list_sql(""))},
        list_of_owner{connection.prepare(list_sql("AND p.email=?4"))},
        tail{connection.prepare(fmt::format("SELECT {}, s.client, s.filename FROM progress_events e "
                                            "JOIN streams s USING(stream) WHERE e.seq>? ORDER BY e.seq",
                                            chunk_columns))},
        feed{connection.prepare("SELECT e.seq, e.format, s.client, s.filename, e.events FROM progress_events e "
                                "JOIN streams s USING(stream) WHERE e.seq>? AND e.seq<=? ORDER BY e.seq")},
        feed_end{connection.prepare("SELECT ifnull(max(seq),0) FROM progress_events")},
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
  Statement feed;
  Statement feed_end;
  Statement ping;
};

/// A list's order: newest first, ids break ties.
auto list_key(const Snapshot& snapshot) { return std::tie(snapshot.progress.updated_at, snapshot.progress.id); }
bool newer(const SnapshotPtr& a, const SnapshotPtr& b) { return list_key(*a) > list_key(*b); }

bool belongs(const Snapshot& snapshot, const ListQuery& query) {
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
    if (auto recent = shared_->recent.latest(stream)) return recent;
    return shared_->cache.find(stream);
  }

  SnapshotPtr at_hand(const domain::ClientKrn& client, const domain::FileId& id) override {
    if (auto recent = shared_->recent.latest(client, id)) return recent;
    return shared_->cache.find(client, id);
  }

  Result<SnapshotPtr> by_filename(const StreamId& stream) override {
    const auto before = shared_->cache.epoch();
    if (auto known = at_hand(stream)) return known;
    return cached(before, with_connection([&](ReadConnection& on) -> SnapshotPtr {
                    const auto row = on.rows.row_of(stream);
                    return row ? on.rows.snapshot(*row) : nullptr;
                  }));
  }

  Result<SnapshotPtr> by_id(const domain::ClientKrn& client, const domain::FileId& id) override {
    const auto before = shared_->cache.epoch();
    if (auto known = at_hand(client, id)) return known;
    return cached(before, with_connection([&](ReadConnection& on) { return on.rows.snapshot(client, id); }));
  }

  Result<ListPage> list(const domain::ClientKrn& client, const ListQuery& query) override {
    auto recent = shared_->recent.of_client(client);
    return with_connection([&](ReadConnection& on) { return page_of(on, client, query, std::move(recent)); });
  }

  Result<EventPage> events(const StreamId& stream, Version after, const PageBounds& bounds) override {
    // A chunk has an event at least, and the first may be the one that ends at `after`.
    const auto recent = shared_->recent.seqs(stream, after, bounds.events + 2);
    EventPageMaker page{after, bounds};
    // The events are read outside: inside, a reader may be what the writer waits for.
    PEBBLES_TRY_VOID(with_connection([&](ReadConnection& on) {
      const auto row = on.rows.row_of(stream);
      if (!row) return false;
      const auto take = [&](const StoredChunk& stored) {
        require_known_format(stored.format);
        return page.add(stored.chunk.first, stored.text);
      };
      on.rows.each_chunk(*row, after, take);
      for (const auto seq : recent) {
        if (page.is_full()) break;
        if (const auto stored = on.rows.chunk_at(seq)) take(*stored);
      }
      return true;
    }));
    return page.finish();
  }

  Result<FeedPage> client_events(const domain::ClientKrn& client, const FeedQuery& query) override {
    FeedPageMaker page{query};
    PEBBLES_TRY(more, with_connection([&](ReadConnection& on) {
                  const auto from = query.after.given > 0 ? query.after.place - 1 : query.after.place;
                  auto rows = on.feed.run(from, query.until.value_or(INT64_MAX));
                  // The log is everybody's: a page looks at so many rows, however few of them are this client's.
                  for (std::int64_t looked_at = 0; looked_at < feed_rows_max; ++looked_at) {
                    if (!rows.next()) return false;
                    const auto seq = rows.integer(0);
                    if (rows.text(2) != *client) {
                      page.passed(seq);
                      continue;
                    }
                    require_known_format(static_cast<int>(rows.integer(1)));
                    if (!page.add(seq, domain::Filename{std::string{rows.text(3)}}, rows.text(4))) return true;
                  }
                  return true;
                }));
    return std::move(page).finish(more);
  }

  Result<std::int64_t> feed_end() override {
    return with_connection([](ReadConnection& on) {
      auto rows = on.feed_end.run();
      return rows.next() ? rows.integer(0) : std::int64_t{0};
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
        for (auto& event : stored.chunk.events) page.entries.push_back({stream, std::move(event)});
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
