#include <fmt/core.h>

#include <chrono>
#include <map>
#include <unordered_set>

#include "store/sqlite/database.hpp"
#include "store/sqlite/rows.hpp"
#include "store/sqlite/writer.hpp"

namespace pebbles::store::sqlite {
namespace {

using std::chrono::steady_clock;

/// Finds on a connection of its own, which only reads; what changes anything is done by the lane.
class LanePruner final : public Pruner {
 public:
  explicit LanePruner(std::shared_ptr<Shared> shared)
      : shared_{std::move(shared)},
        connection_{open_reader(shared_->open_options())},
        completed_{connection_.prepare(completed_sql(""))},
        completed_of_client_{connection_.prepare(completed_sql("AND client=?5"))},
        chunks_{connection_.prepare(
            "SELECT e.seq, e.n, e.stream, s.client, (e.writer<>0 OR e.sequence<>0) AND e.first_version+e.n-1<="
            "(SELECT version FROM progress p WHERE p.stream=e.stream) FROM progress_events e JOIN streams s "
            "USING(stream) "
            "WHERE e.seq>?1 AND e.seq<=?2 ORDER BY e.seq LIMIT ?3")},
        events_{connection_.prepare("SELECT events FROM progress_events WHERE seq=?")},
        graves_{connection_.prepare(
            "SELECT count(*) FILTER (WHERE is_buried=0 AND deleted_at<=?2), count(*) FILTER (WHERE deleted_at<?1), "
            "(SELECT ifnull(sum(e.n), 0) FROM tombstones t JOIN stream_chunks c USING(stream) "
            "JOIN progress_events e USING(seq) WHERE t.is_buried=0 AND t.deleted_at<=?2 AND c.first_version<=t.version "
            "AND "
            "(e.writer<>0 OR e.sequence<>0)) FROM tombstones")} {}

  Result<Timestamp> now() override { return clock_.now(); }

  Result<std::vector<CompletedFile>> completed(const Clients& clients, Timestamp before,
                                               const std::optional<CompletedPosition>& after,
                                               std::size_t limit) override {
    std::vector<CompletedFile> out;
    for (auto from = after;;) {  // many reads, where clients are left out
      PEBBLES_TRY(more, reading([&] { return add_completed(clients, before, from, limit, out); }));
      if (!more) return out;
    }
  }

  Result<Pruned> cut_logs(const Clients& clients, Timestamp before, bool dry_run) override {
    const std::pair run{dry_run, clients.only ? **clients.only : std::string{}};
    auto out = dry_run ? count_logs(clients, before, runs_[run]) : cut_some(clients, before, runs_[run]);
    if (!out || !out->more) runs_.erase(run);
    return out;
  }

  Result<Pruned> bury(Timestamp tombstones_before, bool dry_run) override {
    if (dry_run)
      return reading([&] {
        auto rows =
            graves_.run(number_of(tombstones_before), number_of(clock_.now() - shared_->options.deletions_stay));
        rows.next();
        return Pruned{.logs = rows.integer(0), .events = rows.integer(2), .tombstones = rows.integer(1)};
      });
    PEBBLES_TRY(buried, in_lane([tombstones_before, now = clock_.now()](Writer& writer) {
                  return writer.bury(tombstones_before, now);
                }));
    buried.answer.worked = buried.took;
    return buried.answer;
  }

  Result<Pruned> erase_deleted() override {
    PEBBLES_TRY(erased, in_lane([now = clock_.now()](Writer& writer) { return writer.erase_deleted(now); }));
    erased.answer.worked = erased.took;
    return erased.answer;
  }

 private:
  /// What one read looks at, at most: the writer may have to wait for its end.
  static constexpr std::int64_t looked_at_max = 2'000;
  static constexpr std::size_t bytes_max = 4UL << 20U;

  static std::string completed_sql(std::string_view client) {
    return fmt::format(
        "SELECT client, filename, completed_at, id FROM progress WHERE completed_at<?1 AND "
        "(completed_at, id) > (?2, ?3) AND completed_at<=?4 {} ORDER BY completed_at, id",
        client);
  }

  /// Goes on from `from`, which moves. False when there are as many as wanted, or no more.
  bool add_completed(const Clients& clients, Timestamp before, std::optional<CompletedPosition>& from,
                     std::size_t limit, std::vector<CompletedFile>& out) {
    const auto at = from ? number_of(from->completed_at) : INT64_MIN;
    const auto id = from ? Blob{from->id} : Blob{};
    auto rows = clients.only
                    ? completed_of_client_.run(number_of(before), at, id, INT64_MAX, std::string_view{**clients.only})
                    : completed_.run(number_of(before), at, id, INT64_MAX);
    for (std::int64_t looked_at = 0; looked_at < looked_at_max; ++looked_at) {
      if (out.size() >= limit || !rows.next()) return false;
      CompletedFile file{
          .stream = {domain::ClientKrn{std::string{rows.text(0)}}, domain::Filename{std::string{rows.text(1)}}},
          .position = {.completed_at = time_of(rows.integer(2))}};
      const auto found = rows.blob(3);
      if (found.size() == file.position.id.size()) std::ranges::copy(found, file.position.id.begin());
      from = file.position;
      if (clients.hold(file.stream.client)) out.push_back(std::move(file));
    }
    return true;
  }

  template <class Work>
  auto reading(Work&& work) -> Result<std::invoke_result_t<Work&>> {
    const auto inside = shared_->gate.enter();
    return guarded([&] {
      const ReadScope scope{connection_};
      return work();
    });
  }

  template <class Answer>
  struct Timed {
    Answer answer;
    steady_clock::duration took;
  };
  /// What the lane does of it, and how long that takes, without the waiting.
  template <class Work>
  auto in_lane(Work work) -> Result<Timed<std::invoke_result_t<Work&, Writer&>>> {
    return shared_->jobs.run([work = std::move(work)](Writer& writer) {
      return guarded([&] {
        const auto began = steady_clock::now();
        auto answer = work(writer);
        return Timed{.answer = std::move(answer), .took = steady_clock::now() - began};
      });
    });
  }

  /// Where a run over the log of these or those clients stands.
  struct Run {
    std::int64_t cursor = 0;                ///< the seq of the last chunk that was looked at
    std::optional<std::int64_t> last = {};  ///< that is old enough
  };
  /// Old chunks behind the cursor that may be cut. Each is judged by its own time: the last one may be too far.
  struct Page {
    struct Stream {
      std::int64_t row = 0;
      std::int64_t seq = 0;  ///< of its first one here
    };
    std::vector<Stream> streams;  ///< each once
    std::int64_t events = 0;
    std::int64_t found = 0;
    std::int64_t end = 0;  ///< the seq of the last one that was looked at, 0: there was none
  };

  Result<Page> next_page(const Clients& clients, Timestamp before, Run& run, std::int64_t found_max) {
    return reading([&] {
      if (!run.last) run.last = last_seq_before(connection_, before);
      Page out;
      std::unordered_set<std::int64_t> known;
      std::size_t bytes = 0;
      auto rows = chunks_.run(run.cursor, *run.last, looked_at_max);
      while (out.found < found_max && bytes < bytes_max && rows.next()) {
        out.end = rows.integer(0);
        if (rows.integer(4) == 0 || !clients.hold(domain::ClientKrn{std::string{rows.text(3)}})) continue;
        if (is_young(out.end, before, bytes)) continue;
        ++out.found;
        out.events += rows.integer(1);
        if (known.insert(rows.integer(2)).second) out.streams.push_back({.row = rows.integer(2), .seq = out.end});
      }
      return out;
    });
  }

  /// Of a chunk that is damaged the lane tells. `bytes` grows by what was read.
  bool is_young(std::int64_t seq, Timestamp before, std::size_t& bytes) {
    auto row = events_.run(seq);
    row.next();
    bytes += row.text(0).size();
    const auto end = end_of_chunk(row.text(0));
    return end && *end >= before;
  }

  Result<Pruned> count_logs(const Clients& clients, Timestamp before, Run& run) {
    PEBBLES_TRY(page, next_page(clients, before, run, looked_at_max));
    run.cursor = page.end;
    return Pruned{.logs = static_cast<std::int64_t>(page.streams.size()), .events = page.events, .more = page.end > 0};
  }

  Result<Pruned> cut_some(const Clients& clients, Timestamp before, Run& run) {
    constexpr std::int64_t found_max = 200;  // about what the lane cuts at a time
    const auto began = steady_clock::now();
    PEBBLES_TRY(page, next_page(clients, before, run, found_max));
    const auto finding = steady_clock::now() - began;
    if (page.streams.empty()) {
      run.cursor = page.end;
      return Pruned{.more = page.end > 0, .worked = finding};
    }
    std::vector<std::int64_t> rows;
    rows.reserve(page.streams.size());
    for (const auto& stream : page.streams) rows.push_back(stream.row);
    PEBBLES_TRY(cut, in_lane([rows = std::move(rows), before, now = clock_.now()](Writer& writer) {
                  return writer.cut_logs(rows, before, now);
                }));
    auto& [done, through] = cut.answer;
    run.cursor = through == page.streams.size() ? page.end : page.streams[through].seq - 1;
    done.more = true;
    done.worked = finding + cut.took;
    return done;
  }

  std::shared_ptr<Shared> shared_;
  SystemClock clock_;
  Connection connection_;
  Statement completed_, completed_of_client_, chunks_, events_, graves_;
  std::map<std::pair<bool, std::string>, Run> runs_;  ///< dry or not, of a client or ("") all
};

}  // namespace

std::unique_ptr<Pruner> make_pruner(std::shared_ptr<Shared> shared) {
  return std::make_unique<LanePruner>(std::move(shared));
}

}  // namespace pebbles::store::sqlite
