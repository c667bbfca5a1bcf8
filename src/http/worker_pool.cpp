#include "http/worker_pool.hpp"

#include <pthread.h>
#include <sys/resource.h>

namespace pebbles::http {

WorkerPool::WorkerPool(const WorkerPoolOptions& options)
    : options_{options}, share_{options.gives_way, options.parts * options.threads} {
  for (std::size_t i = 0; i < options.threads; ++i) {
    threads_.emplace_back([this] { run(); });
    ::pthread_setname_np(threads_.back().native_handle(), options.name);
  }
}

bool WorkerPool::submit(const std::string& asker, Job job) {
  {
    const std::lock_guard lock{mutex_};
    if (stopped_ || waiting_ >= options_.queue_max) return false;
    auto& entry = *askers_.try_emplace(asker).first;
    if (entry.second.jobs.size() >= options_.queue_max - waiting_) return false;
    entry.second.jobs.push_back(std::move(job));
    ++waiting_;
    give_turn(entry);
  }
  came_.notify_one();
  return true;
}

/// If it has none, and may run a job that waits.
void WorkerPool::give_turn(Askers::value_type& asker) {
  auto& [name, state] = asker;
  if (state.has_turn || state.jobs.empty() || state.running >= options_.running_of_one_max) return;
  state.has_turn = true;
  turns_.push_back(&asker);
}

void WorkerPool::stop() {
  Askers dropped;  // their jobs' destructors run outside the lock
  {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
    turns_.clear();
    for (auto& [name, asker] : askers_) dropped[name].jobs.swap(asker.jobs);
  }
  came_.notify_all();
  stopping_.notify_all();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void WorkerPool::run() {
  // Of the calling thread alone, as Linux has it. A system that refuses leaves the threads as they are.
  if (options_.nice != 0) ::setpriority(PRIO_PROCESS, 0, options_.nice);
  std::unique_lock lock{mutex_};
  for (;;) {
    came_.wait(lock, [this] { return stopped_ || !turns_.empty(); });
    if (stopped_) return;
    auto& asker = *turns_.front();
    turns_.pop_front();
    auto& state = asker.second;
    auto job = std::move(state.jobs.front());
    state.jobs.pop_front();
    state.has_turn = false;
    --waiting_;
    ++state.running;
    give_turn(asker);
    lock.unlock();
    const auto began = std::chrono::steady_clock::now();
    job();
    job = nullptr;
    const auto took = std::chrono::steady_clock::now() - began;
    lock.lock();
    --state.running;
    give_turn(asker);  // nobody is woken for it where this thread goes on
    if (state.jobs.empty() && state.running == 0) askers_.erase(askers_.find(asker.first));
    if (!options_.gives_way) continue;
    if (!turns_.empty()) came_.notify_one();
    share_.rest(lock, stopping_, took, [this] { return stopped_; });
  }
}

}  // namespace pebbles::http
