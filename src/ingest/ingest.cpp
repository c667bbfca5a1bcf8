#include "ingest/ingest.hpp"

#include <algorithm>
#include <atomic>
#include <future>
#include <iterator>
#include <thread>

#include "base/free_memory.hpp"
#include "crypto/sha256.hpp"
#include "ingest/committer.hpp"
#include "ingest/fair_queue.hpp"

namespace pebbles::ingest {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// One thread, one store. Gathers the next batch while a commit runs.
class Ingest::Lane {
 public:
  Lane(std::unique_ptr<store::EventStore> store, const IngestOptions& options)
      : options_{options},
        queue_{std::make_shared<FairQueue>(
            FairQueue::Bounds{.updates_max = options.queue_updates_max, .bytes_max = options.queue_bytes_max},
            FairQueue::Waits{})},
        store_{std::move(store)},
        ended_{done_.get_future()},
        thread_{[this] { run(); }} {}

  FairQueue& queue() { return *queue_; }
  [[nodiscard]] bool is_busy() const { return steady_clock::now() < busy_until_.load() || queue_->size() > 0; }
  void close(steady_clock::time_point deadline) {
    deadline_ = deadline;
    queue_->close();
  }
  /// False when the lane had to leave updates untried.
  bool join() {
    if (thread_.joinable()) {
      thread_.join();
      drained_ = ended_.get();
    }
    return drained_;
  }

 private:
  static constexpr milliseconds idle_after{100};
  static constexpr milliseconds between_batches{1};

  [[nodiscard]] FairQueue::Bounds batch_bounds() const {
    return {.updates_max = options_.batch_updates_max, .bytes_max = options_.batch_bytes_max};
  }

  void run() {
    bool drained = false;
    {
      std::uint64_t writer = 0;
      crypto::fill_random({reinterpret_cast<std::uint8_t*>(&writer), sizeof writer});
      Committer committer{*store_,
                          {.writer = writer,
                           .cache_bytes_max = options_.cache_bytes_max,
                           .conflict_pause_max = std::chrono::milliseconds{3},
                           .wake = [queue = queue_] { queue->wake(); },
                           .alone = options_.alone}};
      drained = serve(committer);
    }
    // What the deadline left behind falls here, and so is told to try again.
    while (!queue_->take(batch_bounds(), milliseconds{0}).empty()) {
    }
    store_.reset();  // on the thread that used it
    done_.set_value(drained);
  }

  bool serve(Committer& committer) {
    bool upkeep_due = true;
    milliseconds pause{0};          // between attempts to settle; 0: there is nothing to settle
    steady_clock::time_point next;  // attempt
    for (;;) {
      const auto now = steady_clock::now();
      std::optional<milliseconds> patience;
      if (upkeep_due) patience = upkeep_pause_;
      if (pause.count() > 0) patience = std::max(milliseconds{0}, std::chrono::ceil<milliseconds>(next - now));
      auto batch = queue_->take(batch_bounds(), patience);
      const bool closed = queue_->closed();
      if (closed && steady_clock::now() >= deadline_.load()) return batch.empty() && committer.unsettled() == 0;
      const bool works = !batch.empty() || committer.can_proceed();
      if (works) {
        busy_until_ = steady_clock::time_point::max();
        committer.process(std::move(batch));
        while (store_->maintain(queue_->size() > 0 ? store::Load::busy : store::Load::pause)) {
        }
        busy_until_ = steady_clock::now() + between_batches;
        upkeep_due = true;
        upkeep_pause_ = idle_after;
      }
      if (committer.unsettled() > 0) {
        settle_in_time(committer, pause, next, closed);
        if (!works) store_->maintain(store::Load::pause);
        upkeep_due = true;
        continue;
      }
      pause = milliseconds{0};
      if (works) continue;
      if (closed) return true;
      upkeep_due = store_->maintain(store::Load::idle);
      upkeep_pause_ = upkeep_due ? milliseconds{0} : idle_after;
      if (!upkeep_due) release_free_memory();
    }
  }

  /// Also while batches come in without a pause: what waits must not wait for a lull.
  static void settle_in_time(Committer& committer, milliseconds& pause, steady_clock::time_point& next, bool closed) {
    if (pause.count() == 0) {
      pause = idle_after;
      next = steady_clock::now() + pause;
    } else if (steady_clock::now() >= next) {
      committer.settle();
      pause = closed ? milliseconds{20} : std::min<milliseconds>(pause * 2, milliseconds{1000});
      next = steady_clock::now() + pause;
    }
    if (closed) std::this_thread::sleep_for(std::min(pause, milliseconds{20}));  // a closed queue doesn't wait
  }

  const IngestOptions options_;
  std::shared_ptr<FairQueue> queue_;  ///< shared with gates, which may outlive the lane
  milliseconds upkeep_pause_ = idle_after;
  std::unique_ptr<store::EventStore> store_;
  std::atomic<steady_clock::time_point> busy_until_{steady_clock::time_point::min()};
  std::atomic<steady_clock::time_point> deadline_{steady_clock::time_point::max()};
  std::promise<bool> done_;
  std::future<bool> ended_;
  bool drained_ = false;
  std::thread thread_;  // last: it uses the rest
};

Ingest::Ingest(std::vector<std::unique_ptr<store::EventStore>> stores, const IngestOptions& options) {
  for (auto& store : stores) lanes_.push_back(std::make_unique<Lane>(std::move(store), options));
}

Ingest::~Ingest() { stop(milliseconds{0}); }

std::size_t Ingest::lane_of(const Pending& pending) const {
  // Of no more than one stream at a time does an instance compete with itself: its lane is always the same.
  return lanes_.size() == 1 ? 0 : std::hash<domain::StreamId>{}(pending.stream) % lanes_.size();
}

std::optional<Pending> Ingest::submit(Pending pending) {
  const auto lane = lane_of(pending);
  return lanes_[lane]->queue().push(std::move(pending));
}

std::vector<Pending> Ingest::submit(std::vector<Pending> pendings) {
  if (lanes_.size() == 1) return lanes_.front()->queue().push(std::move(pendings));
  std::vector<std::vector<Pending>> shares(lanes_.size());
  for (auto& share : shares) share.reserve(pendings.size());
  for (auto& pending : pendings) shares[lane_of(pending)].push_back(std::move(pending));
  std::vector<Pending> back;
  for (std::size_t i = 0; i < lanes_.size(); ++i)
    std::ranges::move(lanes_[i]->queue().push(std::move(shares[i])), std::back_inserter(back));
  return back;
}

bool Ingest::stop(milliseconds deadline) {
  const auto until = steady_clock::now() + deadline;
  for (auto& lane : lanes_) lane->close(until);
  bool drained = true;
  // The closed queues stay: whoever submits now gets the update back.
  for (auto& lane : lanes_) drained = lane->join() && drained;
  return drained;
}

void Ingest::wake() {
  for (auto& lane : lanes_) lane->queue().wake();
}

bool Ingest::is_busy() const {
  return std::ranges::any_of(lanes_, [](const auto& lane) { return lane->is_busy(); });
}

std::size_t Ingest::queued() const {
  std::size_t out = 0;
  for (const auto& lane : lanes_) out += lane->queue().size();
  return out;
}

}  // namespace pebbles::ingest
