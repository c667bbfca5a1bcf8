#include "telemetry/process_metrics.hpp"

#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace pebbles::telemetry {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

/// The fields of /proc/self/stat behind the name, the first of which proc(5) counts as 3.
std::vector<std::string> read_stat() {
  std::ifstream file{"/proc/self/stat"};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream fields{text.substr(name_end + 1)};
  return {std::istream_iterator<std::string>{fields}, {}};
}

double seconds_of(clockid_t clock) {
  ::timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// When the process started, in seconds since 1970, from the field that says it in ticks since the system did. When
/// that was the clocks tell: /proc/stat is not there where only processes are shown (ProcSubset=pid of systemd).
double start_time_of(const std::string& ticks) {
  const auto since_boot = std::stod(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return seconds_of(CLOCK_REALTIME) - seconds_of(CLOCK_BOOTTIME) + since_boot;
}

double processor_seconds() {
  ::rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const ::timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

void add_memory(std::vector<MetricFamily>& out) {
  std::ifstream file{"/proc/self/statm"};
  std::int64_t all = 0;
  std::int64_t resident = 0;
  if (!(file >> all >> resident)) return;
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  out.push_back(family_of("process_virtual_memory_bytes", "Virtual memory size in bytes.", MetricType::Gauge,
                          static_cast<double>(all) * page));
  out.push_back(family_of("process_resident_memory_bytes", "Resident memory size in bytes.", MetricType::Gauge,
                          static_cast<double>(resident) * page));
}

void add_descriptors(std::vector<MetricFamily>& out) {
  std::error_code failed;
  const std::filesystem::directory_iterator open{"/proc/self/fd", failed};
  if (!failed)
    out.push_back(family_of("process_open_fds", "Number of open file descriptors.", MetricType::Gauge,
                            static_cast<double>(std::distance(open, {}) - 1)));  // one of them reads the folder
  ::rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0)
    out.push_back(family_of("process_max_fds", "Maximum number of open file descriptors.", MetricType::Gauge,
                            static_cast<double>(limit.rlim_cur)));
}

}  // namespace

MetricFamily family_of(const char* name, const char* help, MetricType type, double value) {
  MetricFamily out;
  out.name = name;
  out.help = help;
  out.type = type;
  auto& metric = out.metric.emplace_back();
  if (type == MetricType::Counter)
    metric.counter.value = value;
  else
    metric.gauge.value = value;
  return out;
}

std::vector<MetricFamily> process_metrics() {
  constexpr std::size_t threads_field = 20 - 3;
  constexpr std::size_t start_field = 22 - 3;
  std::vector<MetricFamily> out;
  out.push_back(family_of("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
                          MetricType::Counter, processor_seconds()));
  if (const auto stat = read_stat(); stat.size() > start_field) {
    static const double start_time = start_time_of(stat[start_field]);  // once: clocks are set
    out.push_back(family_of("process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
                            MetricType::Gauge, start_time));
    out.push_back(family_of("process_threads", "Number of threads of the process.", MetricType::Gauge,
                            std::stod(stat[threads_field])));
  }
  add_memory(out);
  add_descriptors(out);
  return out;
}

}  // namespace pebbles::telemetry
