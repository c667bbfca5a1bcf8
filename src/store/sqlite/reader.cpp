#include <condition_variable>

#include <fmt/core.h>
#include "store/event_page.hpp"
#include "store/sqlite/database.hpp"
#include "store/sqlite/lists.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::store::sqlite {
namespace {

/// Rows of the log that a page of a client's feed looks at: some ten milliseconds' worth.
constexpr std::int64_t feed_rows_max = 20'000;

struct ReadConnection {
  explicit ReadConnection(const OpenOptions& options)
      : connection{open_reader(options)},
        rows{connection},
        lists{connection},
        tail{connection.prepare(fmt::format("SELECT {}, s.client, s.filename FROM progress_events e "
                                            "JOIN streams s USING(stream) WHERE e.seq>? ORDER BY e.seq",
                                            chunk_columns))},
        feed{connection.prepare("SELECT e.seq, e.format, s.client, s.filename, e.events, e.first_version, "
                                "e.writer=0 AND e.sequence=0 FROM progress_events e JOIN streams s USING(stream) WHERE "
                                "e.seq>? AND e.seq<=? ORDER BY e.seq")},
        any_stream{connection.prepare("SELECT 1 FROM streams WHERE client=? LIMIT 1")},
        feed_end{connection.prepare("SELECT ifnull(max(seq),0) FROM progress_events")},
        ping{connection.prepare("SELECT value FROM meta WHERE name='indexed_seq'")} {}

  Connection connection;
  Rows rows;
  Lists lists;
  Statement tail;
  Statement feed;
  Statement any_stream;
  Statement feed_end;
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
        return page.add(stored.text);
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
                  // Of a name that nobody has used, the log of everybody else has nothing.
                  if (!on.any_stream.run(std::string_view{*client}).next()) return false;
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
                    const domain::Filename filename{std::string{rows.text(3)}};
                    if (rows.integer(6) == 0) {
                      if (!page.add(seq, filename, rows.text(4))) return true;
                      continue;
                    }
                    if (!page.add_last(seq, filename, told_by_chunk(rows.integer(5), true, rows.text(4)))) return true;
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
        stored.text = told_by_chunk(stored.chunk.first, stored.is_baseline(), stored.text);
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

  Result<CursorKey> cursor_key() override {
    if (const auto key = shared_->cursor_key.get()) return *key;
    return failure(Errc::store_unavailable, "SQLite: the key of cursors could not be stored yet");
  }

  Result<void> ping() override {
    const auto answer = with_connection([](ReadConnection& on) { return on.ping.run().next(); });
    if (!answer) return std::unexpected{answer.error()};
    if (shared_->refusal.why()) shared_->jobs.wake();  // it may be over, also where nobody sends an update
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
