#include "http/worker_pool.hpp"

#include <pthread.h>

namespace pebbles::http {

WorkerPool::WorkerPool(const WorkerPoolOptions& options) : queue_max_{options.queue_max} {
  for (std::size_t i = 0; i < options.threads; ++i) {
    threads_.emplace_back([this] { run(); });
    ::pthread_setname_np(threads_.back().native_handle(), "reader");
  }
}

bool WorkerPool::submit(Job job) {
  {
    const std::lock_guard lock{mutex_};
    if (stopped_ || jobs_.size() >= queue_max_) return false;
    jobs_.push_back(std::move(job));
  }
  came_.notify_one();
  return true;
}

void WorkerPool::stop() {
  std::deque<Job> dropped;  // their destructors run outside the lock
  {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
    dropped.swap(jobs_);
  }
  came_.notify_all();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void WorkerPool::run() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock{mutex_};
      came_.wait(lock, [this] { return stopped_ || !jobs_.empty(); });
      if (stopped_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

}  // namespace pebbles::http
