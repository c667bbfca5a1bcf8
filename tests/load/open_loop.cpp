/// Sends requests at the times that were set beforehand, whether the server keeps up or not, and prints what became of
/// them. How long one took counts from when it should have been sent: a server that is late cannot hide it by making
/// its clients late. With --rate 0 it is a crowd instead: each connection asks again as soon as it has its answer.
///
/// The last line names the figures: those answered 200 (`ok`), 503 (`busy`) and otherwise (`other`); `lost` had no
/// answer, `unsent` found no free connection until the end; `bare_busy` are 503 without Retry-After; `drained_ms` is
/// how long the last answer took to come after the end of the load.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

struct Options {
  std::uint16_t port = 0;
  double rate = 0;
  double seconds = 5;
  double drain_s = 30;
  std::size_t connections = 64;
  std::size_t files = 100;
  std::size_t clients = 1;
  std::string client = "krn:load";
  std::string token;
  std::string get;
  unsigned seed = 1;
};

double ms_between(Time from, Time until) { return std::chrono::duration<double, std::milli>(until - from).count(); }

std::vector<std::string> make_requests(const Options& options) {
  std::vector<std::string> out;
  if (!options.get.empty()) {
    out.push_back(
        fmt::format("GET {} HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer {}\r\n\r\n", options.get, options.token));
    return out;
  }
  for (std::size_t client = 0; client < options.clients; ++client) {
    const auto name = options.clients == 1 ? options.client : fmt::format("{}:{}", options.client, client);
    for (std::size_t file = 0; file < options.files; ++file) {
      const auto body = fmt::format(R"({{"filename":"file {}.csv","counts":{{"done":1,"warn":0,"failed":0}}}})", file);
      out.push_back(
          fmt::format("POST /clients/{}/progress HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer {}\r\n"
                      "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                      name, options.token, body.size(), body));
    }
  }
  return out;
}

struct Answer {
  int status = 0;
  bool says_when = false;
  bool closes = false;
};

/// Takes one whole answer off the front of `text`; false when it is not all there yet.
bool take_answer(std::string& text, Answer& out) {
  const auto head_end = text.find("\r\n\r\n");
  if (head_end == std::string::npos) return false;
  const auto head = std::string_view{text}.substr(0, head_end + 2);
  constexpr std::string_view length_name = "\r\nContent-Length: ";
  std::size_t length = 0;
  if (const auto at = head.find(length_name); at != std::string_view::npos)
    std::from_chars(head.data() + at + length_name.size(), head.data() + head.size(), length);
  if (text.size() < head_end + 4 + length) return false;
  constexpr std::size_t status_at = std::string_view{"HTTP/1.1 "}.size();
  std::from_chars(head.data() + status_at, head.data() + status_at + 3, out.status);
  out.says_when = head.find("\r\nRetry-After: ") != std::string_view::npos;
  out.closes = head.find("\r\nConnection: close") != std::string_view::npos;
  text.erase(0, head_end + 4 + length);
  return true;
}

class Load {
 public:
  explicit Load(const Options& options)
      : options_{options},
        requests_{make_requests(options)},
        dice_{options.seed},
        lines_(options.connections),
        poll_{::epoll_create1(EPOLL_CLOEXEC)} {
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      open(i);
      free_.push_back(i);
    }
  }
  ~Load() {
    for (auto& line : lines_) hang_up(line);
    ::close(poll_);
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  void run() {
    const auto began = Clock::now();
    const auto until =
        began + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>{options_.seconds});
    auto next = began;
    for (auto now = began; now < until; now = Clock::now()) {
      if (options_.rate > 0) {
        for (; next <= now; next += gap()) due_.push_back(next);
      } else {
        due_.assign(free_.size(), now);
      }
      send_due();
      poll(options_.rate > 0 ? std::min(next, until) : until);
    }
    const auto ended = Clock::now();
    unsent_ = options_.rate > 0 ? due_.size() : 0;
    due_.clear();
    const auto drain_until =
        ended + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>{options_.drain_s});
    while (under_way_ > 0 && Clock::now() < drain_until) poll(drain_until);
    show(ms_between(began, ended) / 1000, last_answer_ > ended ? ms_between(ended, last_answer_) : 0);
  }

 private:
  struct Line {
    int socket = -1;
    bool waits = false;
    Time due;
    std::string in;
  };

  /// Exponential, as the gaps between independent senders are.
  Clock::duration gap() {
    std::exponential_distribution<double> draw{options_.rate};
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>{draw(dice_)});
  }

  void open(std::size_t index) {
    auto& line = lines_[index];
    line.socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in server{};
    server.sin_family = AF_INET;
    server.sin_port = htons(options_.port);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(line.socket, reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0) {
      hang_up(line);
      return;
    }
    const int on = 1;
    ::setsockopt(line.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::fcntl(line.socket, F_SETFL, O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    ::epoll_ctl(poll_, EPOLL_CTL_ADD, line.socket, &event);
  }

  static void hang_up(Line& line) {
    if (line.socket >= 0) ::close(line.socket);
    line.socket = -1;
    line.in.clear();
  }

  void send_due() {
    while (!due_.empty() && !free_.empty()) {
      const auto index = free_.front();  // in turns: all of them are used
      free_.pop_front();
      auto& line = lines_[index];
      line.due = due_.front();
      due_.pop_front();
      ++sent_;
      if (line.socket < 0) open(index);
      const auto& request = requests_[dice_() % requests_.size()];
      // A request is far smaller than a socket's buffer: it goes out whole, or the connection is broken.
      if (line.socket < 0 ||
          ::send(line.socket, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
        ++lost_;
        hang_up(line);
        free_.push_back(index);
        if (options_.rate == 0) return;  // not without end while nobody listens
        continue;
      }
      line.waits = true;
      ++under_way_;
    }
  }

  void poll(Time until) {
    const auto left = std::max<std::chrono::nanoseconds>(until - Clock::now(), std::chrono::nanoseconds{0});
    const auto whole = std::chrono::duration_cast<std::chrono::seconds>(left);
    const timespec wait{.tv_sec = whole.count(), .tv_nsec = (left - whole).count()};
    std::array<epoll_event, 512> events{};
    const int count = ::epoll_pwait2(poll_, events.data(), static_cast<int>(events.size()), &wait, nullptr);
    for (int i = 0; i < count; ++i) read(events[static_cast<std::size_t>(i)].data.u64);
  }

  void read(std::size_t index) {
    auto& line = lines_[index];
    std::array<char, 64UL << 10U> bytes;
    const auto count = ::recv(line.socket, bytes.data(), bytes.size(), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) {
      lost_ += line.waits ? 1 : 0;
      finish(index, true);
      return;
    }
    line.in.append(bytes.data(), static_cast<std::size_t>(count));
    Answer answer;
    if (!line.waits || !take_answer(line.in, answer)) return;
    last_answer_ = Clock::now();
    auto& kind = answer.status == 200 ? ok_ : answer.status == 503 ? busy_ : other_;
    kind.push_back(ms_between(line.due, last_answer_));
    bare_busy_ += answer.status == 503 && !answer.says_when ? 1 : 0;
    finish(index, answer.closes);
  }

  void finish(std::size_t index, bool hangs_up) {
    auto& line = lines_[index];
    if (hangs_up) hang_up(line);
    if (!line.waits) return;
    line.waits = false;
    --under_way_;
    free_.push_back(index);
  }

  void show(double seconds, double drained_ms) {
    auto out = fmt::format(
        "BENCH seconds={:.3f} requests={} ok={} busy={} other={} lost={} unsent={} bare_busy={} "
        "drained_ms={:.1f}",
        seconds, sent_, ok_.size(), busy_.size(), other_.size(), lost_ + under_way_, unsent_, bare_busy_, drained_ms);
    add_quantiles(out, "ok", ok_);
    add_quantiles(out, "busy", busy_);
    fmt::print("{}\n", out);
  }

  static void add_quantiles(std::string& out, std::string_view name, std::vector<double>& took) {
    std::ranges::sort(took);
    for (const int per_mille : {500, 900, 990, 999, 1000}) {
      const auto rank = took.size() * static_cast<std::size_t>(per_mille) / 1000;
      const double value = took.empty() ? 0 : took[std::min(rank, took.size() - 1)];
      out += fmt::format(" {}_p{}_ms={:.3f}", name, per_mille, value);
    }
  }

  const Options& options_;
  const std::vector<std::string> requests_;
  std::mt19937_64 dice_;
  std::vector<Line> lines_;
  int poll_;
  std::deque<std::size_t> free_;
  std::deque<Time> due_;
  std::size_t sent_ = 0, under_way_ = 0, lost_ = 0, unsent_ = 0, bare_busy_ = 0;
  std::vector<double> ok_, busy_, other_;
  Time last_answer_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Requests at set times"};
  app.add_option("--port", options.port)->required();
  app.add_option("--rate", options.rate, "requests a second; 0: each connection as fast as it is answered");
  app.add_option("--seconds", options.seconds);
  app.add_option("--drain", options.drain_s, "seconds to wait for the last answers");
  app.add_option("--connections", options.connections);
  app.add_option("--files", options.files, "of each client");
  app.add_option("--clients", options.clients, "their names are --client with a number behind");
  app.add_option("--client", options.client);
  app.add_option("--token", options.token);
  app.add_option("--get", options.get, "a path to GET instead of POSTs");
  app.add_option("--seed", options.seed);
  CLI11_PARSE(app, argc, argv);
  const rlimit files{.rlim_cur = 65'536, .rlim_max = 65'536};
  ::setrlimit(RLIMIT_NOFILE, &files);
  Load{options}.run();
  return 0;
}
