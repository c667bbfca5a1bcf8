#include <condition_variable>

#include <fmt/core.h>
#include "store/sqlite/database.hpp"
#include "store/sqlite/lists.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::store::sqlite {
namespace {

struct ReadConnection {
  explicit ReadConnection(const OpenOptions& options)
      : connection{open_reader(options)},
        rows{connection},
        lists{connection},
        tail{connection.prepare(fmt::format("SELECT {}, s.client, s.filename FROM progress_events e "
                                            "JOIN streams s USING(stream) WHERE e.seq>? ORDER BY e.seq",
                                            chunk_columns))},
        ping{connection.prepare("SELECT value FROM meta WHERE name='indexed_seq'")} {}

  Connection connection;
  Rows rows;
  Lists lists;
  Statement tail;
  Statement ping;
};

/// A file that was deleted is like one that never was; and under its name another life may have begun.
SnapshotPtr shown(SnapshotPtr state) { return state && state->progress.exists() ? std::move(state) : nullptr; }
SnapshotPtr shown(SnapshotPtr state, const domain::FileId& id) {
  return state && state->progress.id == id ? shown(std::move(state)) : nullptr;
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
    const auto recent = shared_->recent.of_client(client);
    return with_connection([&](ReadConnection& on) { return on.lists.page(client, query, recent); });
  }

  Result<ClientSummary> summary(const domain::ClientKrn& client, Timestamp stalled_before) override {
    const auto recent = shared_->recent.of_client(client);
    return with_connection([&](ReadConnection& on) { return on.lists.summary(client, stalled_before, recent); });
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
