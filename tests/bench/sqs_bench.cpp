#include <fmt/core.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include "aws/credentials.hpp"
#include "aws/json_client.hpp"
#include "json/parser.hpp"
#include "json/writer.hpp"

/// What can be done with a queue through the signed client alone: the reference of tests/bench/sqs.py, and its load.
/// Credentials come from the environment. Each command prints one line of figures.
namespace pebbles {
namespace {

constexpr std::size_t batch_max = 10;  // of one request, as SQS has it
constexpr const char* region = "eu-central-1";

struct Settings {
  std::string endpoint;
  std::string queue;
  std::size_t count = 20'000;
  std::size_t files = 1'000;
  unsigned pollers = 4;
  unsigned seed = 1;
};

/// Ends the program: figures of a run that failed are worth nothing.
[[noreturn]] void give_up(std::string_view what) {
  fmt::print(stderr, "sqs_bench: {}\n", what);
  std::_Exit(1);
}

/// One thread's connection to the queue.
class Queue {
 public:
  explicit Queue(const Settings& settings)
      : head_{R"({"QueueUrl":)"},
        client_{{.endpoint = settings.endpoint, .region = region, .name = "sqs", .target_prefix = "AmazonSQS"},
                aws::default_credentials(read_environment, region)} {
    json::append_string(head_, settings.queue);
  }

  /// The members of the answer, valid until this thread's next call; `rest` are the request's members behind the URL.
  simdjson::dom::object call(std::string_view action, std::string_view rest) {
    body_.assign(head_).append(rest).append("}");
    auto answered = client_.call(action, body_, std::chrono::seconds{30});
    if (!answered) give_up(answered.error().message);
    simdjson::dom::object members;
    if (json::parse(*answered).get(members) != simdjson::SUCCESS) give_up("an answer is no object");
    return members;
  }

 private:
  static std::optional<std::string> read_environment(const std::string& name) {
    const auto* const value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): nobody sets any
    return value == nullptr ? std::nullopt : std::optional<std::string>{value};
  }

  std::string head_;
  std::string body_;
  aws::JsonClient client_;
};

std::size_t successful(simdjson::dom::object answer) {
  simdjson::dom::array done;
  if (answer["Successful"].get(done) != simdjson::SUCCESS) give_up("an answer has no results");
  return done.size();
}

void in_threads(unsigned count, const auto& work) {
  std::vector<std::jthread> threads;
  for (unsigned number = 0; number < count; ++number) threads.emplace_back(work, number);
}

void append_update(std::string& out, std::size_t file) {
  json::append_string(
      out,
      fmt::format(
          R"({{"clientKrn":"krn:acme:client:123","filename":"sales_data_{}.csv","email":"user@acme.com",)"
          R"("counts":{{"done":500,"warn":2,"failed":1}},"total":10000000,"isLast":false,"errors":[],"warnings":[]}})",
          file));
}

/// Sends updates of about 190 bytes.
void produce(const Settings& settings) {
  std::atomic<std::size_t> sent = 0;
  in_threads(settings.pollers, [&](unsigned number) {
    Queue queue{settings};
    std::minstd_rand random{settings.seed * settings.pollers + number};
    for (std::size_t first = 0; (first = sent.fetch_add(batch_max)) < settings.count;) {
      std::string rest = R"(,"Entries":[)";
      const auto entries = std::min(batch_max, settings.count - first);
      for (std::size_t i = 0; i < entries; ++i) {
        rest += fmt::format(R"({}{{"Id":"{}","MessageBody":)", i == 0 ? "" : ",", i);
        append_update(rest, random() % settings.files);
        rest += '}';
      }
      if (successful(queue.call("SendMessageBatch", rest += ']')) != entries) give_up("a message was not sent");
    }
  });
}

/// The request that deletes what was received; empty when that is nothing.
std::string deletes_of(simdjson::dom::object answer) {
  simdjson::dom::array messages;
  if (answer["Messages"].get(messages) != simdjson::SUCCESS || messages.size() == 0) return {};
  std::string rest = R"(,"Entries":[)";
  for (std::size_t i = 0; const auto message : messages) {
    std::string_view receipt;
    if (message["ReceiptHandle"].get(receipt) != simdjson::SUCCESS) give_up("a message has no receipt");
    rest += fmt::format(R"({}{{"Id":"{}","ReceiptHandle":)", i == 0 ? "" : ",", i);
    json::append_string(rest, receipt);
    rest += '}';
    ++i;
  }
  return rest += ']';
}

/// Receives and deletes, batch by batch, until `count` messages are deleted.
void drain(const Settings& settings) {
  std::atomic<std::size_t> deleted = 0;
  in_threads(settings.pollers, [&](unsigned) {
    Queue queue{settings};
    while (deleted < settings.count) {
      const auto rest = deletes_of(queue.call("ReceiveMessage", R"(,"MaxNumberOfMessages":10,"WaitTimeSeconds":1)"));
      if (!rest.empty()) deleted += successful(queue.call("DeleteMessageBatch", rest));
    }
  });
  if (deleted != settings.count) give_up("the number of messages is wrong");
}

int serve(int count, char** arguments) {
  CLI::App app{"Benchmarks of SQS without Pebbles, and the load of those with it"};
  app.require_subcommand(1);
  Settings settings;
  const auto add = [&](const char* name, const char* says, void (*command)(const Settings&)) {
    auto* const sub = app.add_subcommand(name, says);
    sub->add_option("--endpoint", settings.endpoint, "URL of the service")->required();
    sub->add_option("--queue", settings.queue, "URL of the queue")->required();
    sub->add_option("--count", settings.count);
    sub->add_option("--files", settings.files);
    sub->add_option("--pollers", settings.pollers, "threads, each with a connection");
    sub->add_option("--seed", settings.seed);
    sub->callback([&settings, command, name] {
      command(settings);
      rusage usage{};
      getrusage(RUSAGE_SELF, &usage);
      fmt::print("BENCH name={} count={} rss_mib={}\n", name, settings.count, usage.ru_maxrss / 1024);
    });
  };
  add("produce", "a backlog of updates", produce);
  add("drain", "a bare loop that receives and deletes", drain);
  CLI11_PARSE(app, count, arguments);
  return 0;
}

}  // namespace
}  // namespace pebbles

int main(int count, char** arguments) { return pebbles::serve(count, arguments); }
