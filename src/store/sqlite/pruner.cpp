#include <fmt/core.h>

#include <map>

#include "store/sqlite/database.hpp"
#include "store/sqlite/writer.hpp"

namespace pebbles::store::sqlite {
namespace {

/// Finds on a connection of its own, which only reads; what changes anything is done by the lane.
class LanePruner final : public Pruner {
 public:
  explicit LanePruner(std::shared_ptr<Shared> shared)
      : shared_{std::move(shared)},
        connection_{open_reader(shared_->open_options())},
        completed_{connection_.prepare(completed_sql(""))},
        completed_of_client_{connection_.prepare(completed_sql("AND client=?5"))},
        chunks_{connection_.prepare(
            "SELECT e.seq, e.n, e.stream, s.client FROM progress_events e JOIN streams s USING(stream) "
            "WHERE e.seq>?1 AND e.seq<=?2 AND (e.writer<>0 OR e.sequence<>0) AND e.first_version+e.n-1<="
            "(SELECT version FROM progress p WHERE p.stream=e.stream) ORDER BY e.seq LIMIT 10000")},
        graves_{connection_.prepare(
            "SELECT count(*) FILTER (WHERE is_buried=0), count(*) FILTER (WHERE deleted_at<?), "
            "(SELECT ifnull(sum(e.n), 0) FROM tombstones t JOIN stream_chunks c USING(stream) "
            "JOIN progress_events e USING(seq) WHERE t.is_buried=0 AND c.first_version<=t.version AND "
            "(e.writer<>0 OR e.sequence<>0)) FROM tombstones")} {}

  Result<Timestamp> now() override { return clock_.now(); }

  Result<std::vector<CompletedFile>> completed(const Clients& clients, Timestamp before,
                                               const std::optional<CompletedPosition>& after,
                                               std::size_t limit) override {
    return reading([&] {
      std::vector<CompletedFile> out;
      const auto number = [](Timestamp time) { return time.time_since_epoch().count(); };
      const auto from = after ? number(after->completed_at) : INT64_MIN;
      const auto from_id = after ? Blob{after->id} : Blob{};
      auto rows = clients.only ? completed_of_client_.run(number(before), from, from_id, INT64_MAX,
                                                          std::string_view{**clients.only})
                               : completed_.run(number(before), from, from_id, INT64_MAX);
      while (out.size() < limit && rows.next()) {
        CompletedFile file{
            .stream = {domain::ClientKrn{std::string{rows.text(0)}}, domain::Filename{std::string{rows.text(1)}}},
            .position = {.completed_at = Timestamp{std::chrono::milliseconds{rows.integer(2)}}}};
        const auto id = rows.blob(3);
        if (id.size() == file.position.id.size()) std::ranges::copy(id, file.position.id.begin());
        if (clients.hold(file.stream.client)) out.push_back(std::move(file));
      }
      return out;
    });
  }

  Result<Pruned> cut_logs(const Clients& clients, Timestamp before, bool dry_run) override {
    auto& cursor = cursor_of(clients, dry_run);
    const auto step = [&, from = cursor] {
      if (dry_run) return reading([&] { return count_logs(clients, before, from); });
      return shared_->jobs.run([clients, before, now = clock_.now(), cursor = from](Writer& writer) {
        return guarded([&] {
          auto at = cursor;
          const auto done = writer.cut_logs(clients, before, now, at);
          return Step{.done = done, .cursor = at};
        });
      });
    };
    const auto made = step();
    cursor = made && made->done.more ? made->cursor : 0;
    if (!made) return std::unexpected{made.error()};
    return made->done;
  }

  Result<Pruned> bury(Timestamp tombstones_before, bool dry_run) override {
    if (dry_run)
      return reading([&] {
        auto rows = graves_.run(tombstones_before.time_since_epoch().count());
        rows.next();
        return Pruned{.logs = rows.integer(0), .events = rows.integer(2), .tombstones = rows.integer(1)};
      });
    return shared_->jobs.run([tombstones_before, now = clock_.now()](Writer& writer) {
      return guarded([&] { return writer.bury(tombstones_before, now); });
    });
  }

 private:
  static std::string completed_sql(std::string_view client) {
    return fmt::format(
        "SELECT client, filename, completed_at, id FROM progress WHERE completed_at<?1 AND "
        "(completed_at, id) > (?2, ?3) AND completed_at<=?4 {} ORDER BY completed_at, id",
        client);
  }

  template <class Work>
  auto reading(Work&& work) -> Result<std::invoke_result_t<Work&>> {
    const auto inside = shared_->gate.enter();
    return guarded([&] {
      const ReadScope scope{connection_};
      return work();
    });
  }

  struct Step {
    Pruned done;
    std::int64_t cursor = 0;
  };

  Step count_logs(const Clients& clients, Timestamp before, std::int64_t from) {
    Step step{.done = {}, .cursor = from};
    auto& out = step.done;
    std::int64_t last_stream = 0;
    auto rows = chunks_.run(from, last_seq_before(connection_, before));
    while (rows.next()) {
      step.cursor = rows.integer(0);
      out.more = true;
      if (!clients.hold(domain::ClientKrn{std::string{rows.text(3)}})) continue;
      out.events += rows.integer(1);
      if (std::exchange(last_stream, rows.integer(2)) != rows.integer(2)) ++out.logs;
    }
    return step;
  }

  /// Where the last step over the log of these clients ended.
  std::int64_t& cursor_of(const Clients& clients, bool dry_run) {
    return cursors_[{dry_run, clients.only ? **clients.only : std::string{}}];
  }

  std::shared_ptr<Shared> shared_;
  SystemClock clock_;
  Connection connection_;
  Statement completed_, completed_of_client_, chunks_, graves_;
  std::map<std::pair<bool, std::string>, std::int64_t> cursors_;
};

}  // namespace

std::unique_ptr<Pruner> make_pruner(std::shared_ptr<Shared> shared) {
  return std::make_unique<LanePruner>(std::move(shared));
}

}  // namespace pebbles::store::sqlite
