#include "telemetry/log_writer.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>

namespace pebbles::telemetry {
namespace {

using std::chrono::milliseconds;

/// A pipe of the kernel's usual 64 KiB, which somebody reads or nobody does.
struct Pipe {
  std::array<int, 2> ends{};
  Pipe() { EXPECT_EQ(::pipe(ends.data()), 0); }
  ~Pipe() {
    ::close(ends[0]);
    if (ends[1] >= 0) ::close(ends[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  /// All that comes until the other end is closed.
  [[nodiscard]] std::string read_all() {
    ::close(std::exchange(ends[1], -1));
    std::string out;
    std::array<char, 65'536> bytes{};
    for (ssize_t count = 0; (count = ::read(ends[0], bytes.data(), bytes.size())) > 0;)
      out.append(bytes.data(), static_cast<std::size_t>(count));
    return out;
  }
};

LogWriter::Options options_for(const Pipe& pipe) {
  return {.descriptor = pipe.ends[1],
          .bytes_max = 1UL << 20U,
          .tell_dropped = [](std::int64_t lines) { return "dropped " + std::to_string(lines) + "\n"; },
          .each_second = [] {}};
}

/// The sum of what its lines say was dropped: it is said whenever there is room again.
std::int64_t told_in(const std::string& text) {
  static constexpr std::string_view begin = "dropped ";
  std::int64_t out = 0;
  for (auto at = text.find(begin); at != std::string::npos; at = text.find(begin, at + 1))
    out += std::stoll(text.substr(at + begin.size(), 20));
  return out;
}

TEST(LogWriter, WritesEveryLineOnceAndInOrder) {
  Pipe pipe;
  std::string expected;
  {
    LogWriter writer{options_for(pipe)};
    for (int i = 0; i < 1000; ++i) {
      const auto line = std::to_string(i) + "\n";
      expected += line;
      writer.append(line);
    }
    EXPECT_TRUE(writer.flush());
  }
  EXPECT_EQ(pipe.read_all(), expected);
}

TEST(LogWriter, NobodyIsHeldUpThoughNobodyReadsAndWhatWasLostIsCounted) {
  Pipe pipe;
  const std::string line = std::string(999, 'x') + "\n";
  LogWriter writer{options_for(pipe)};
  for (int i = 0; i < 5000; ++i) writer.append(line);
  const auto lost = writer.dropped();
  EXPECT_GT(lost, 2800);  // one buffer waits, one is being written
  EXPECT_LT(lost, 4200);
  EXPECT_FALSE(writer.flush(milliseconds{50}));

  std::string read;
  std::thread reader{[&] {
    std::array<char, 65'536> bytes{};
    while (!read.ends_with("again\n")) {
      const auto count = ::read(pipe.ends[0], bytes.data(), bytes.size());
      if (count <= 0) return;
      read.append(bytes.data(), static_cast<std::size_t>(count));
    }
  }};
  EXPECT_TRUE(writer.flush(milliseconds{10'000}));
  writer.append("again\n");
  reader.join();
  EXPECT_EQ(told_in(read), lost);
  EXPECT_EQ(writer.dropped(), lost);
}

TEST(LogWriter, EndsThoughNobodyReads) {
  Pipe pipe;
  LogWriter writer{options_for(pipe)};
  for (int i = 0; i < 1000; ++i) writer.append(std::string(999, 'x') + "\n");
}

TEST(LogWriter, AClosedDescriptorIsNoReasonToEndOrToSpin) {
  Pipe pipe;
  auto options = options_for(pipe);
  options.descriptor = ::dup(pipe.ends[1]);
  ::close(options.descriptor);
  LogWriter writer{std::move(options)};
  writer.append("x\n");
  EXPECT_TRUE(writer.flush());
}

TEST(LogWriter, CallsBackThoughNothingIsSaid) {
  Pipe pipe;
  std::atomic<int> calls{0};
  auto options = options_for(pipe);
  options.each_second = [&] { ++calls; };
  const LogWriter writer{std::move(options)};
  for (int i = 0; i < 500 && calls == 0; ++i) ::usleep(10'000);
  EXPECT_GT(calls, 0);
}

}  // namespace
}  // namespace pebbles::telemetry
