#include "telemetry/log_writer.hpp"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <utility>

namespace pebbles::telemetry {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds gather_for{5};  // under load lines go out together: one wake-up and one call for many
constexpr milliseconds second{1000};
constexpr milliseconds poll_for{100};

/// The longest piece that a pipe with room takes at once, cut behind a line where that is possible.
std::string_view next_piece(std::string_view text) {
  if (text.size() <= PIPE_BUF) return text;
  const auto end = text.substr(0, PIPE_BUF).rfind('\n');
  return text.substr(0, end == text.npos ? PIPE_BUF : end + 1);
}

}  // namespace

LogWriter::LogWriter(Options options) : options_{std::move(options)} {
  // Signals are for the thread that waits for them, which may not have blocked them for others yet.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread{[this] { run(); }};
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LogWriter::~LogWriter() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
    give_up_at_ = steady_clock::now() + flush_max;
  }
  came_.notify_all();
  thread_.join();
}

void LogWriter::append(std::string_view line) {
  bool first = false;
  {
    const std::lock_guard lock{mutex_};
    if (waiting_.size() + line.size() > options_.bytes_max) {
      ++dropped_;
      ++dropped_untold_;
      return;
    }
    first = waiting_.empty();
    if (dropped_untold_ > 0) waiting_ += options_.tell_dropped(std::exchange(dropped_untold_, 0));
    waiting_ += line;
  }
  if (first) came_.notify_one();
}

bool LogWriter::flush(milliseconds patience) {
  std::unique_lock lock{mutex_};
  hurried_ = true;
  came_.notify_all();
  const bool done = written_.wait_for(lock, patience, [this] { return waiting_.empty() && !writing_; });
  hurried_ = false;
  return done;
}

std::int64_t LogWriter::dropped() const {
  const std::lock_guard lock{mutex_};
  return dropped_;
}

void LogWriter::run() {
  pthread_setname_np(pthread_self(), "log");
  std::string text;
  auto next_second = steady_clock::now() + second;
  std::unique_lock lock{mutex_};
  for (;;) {
    came_.wait_until(lock, next_second, [this] { return stopping_ || !waiting_.empty(); });
    if (!waiting_.empty()) {
      text.swap(waiting_);
      writing_ = true;
      lock.unlock();
      write_out(text);
      text.clear();
      lock.lock();
      writing_ = false;
      if (waiting_.empty()) written_.notify_all();
    }
    if (stopping_ && (waiting_.empty() || steady_clock::now() > give_up_at_)) return;
    if (steady_clock::now() >= next_second) {
      next_second = steady_clock::now() + second;
      lock.unlock();
      options_.each_second();
      lock.lock();
    }
    came_.wait_for(lock, gather_for, [this] { return stopping_ || hurried_; });
  }
}

bool LogWriter::may_go_on() const {
  const std::lock_guard lock{mutex_};
  return !stopping_ || steady_clock::now() < give_up_at_;
}

void LogWriter::write_out(std::string_view text) {
  while (!text.empty() && may_go_on()) {
    pollfd ready{.fd = options_.descriptor, .events = POLLOUT, .revents = 0};
    const int count = ::poll(&ready, 1, static_cast<int>(poll_for.count()));
    if (count == 0 || (count < 0 && errno == EINTR)) continue;
    const auto piece = next_piece(text);
    const auto written = ::write(options_.descriptor, piece.data(), piece.size());
    if (written < 0 && errno != EINTR && errno != EAGAIN) return;  // closed, or its disk is full: nobody to tell
    text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
  }
}

}  // namespace pebbles::telemetry
