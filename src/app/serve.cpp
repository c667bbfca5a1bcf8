#include <fmt/core.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "admission/client_krn.hpp"
#include "app/commands.hpp"
#include "app/config_warnings.hpp"
#include "app/greeting.hpp"
#include "app/kafka_options.hpp"
#include "app/open_store.hpp"
#include "app/process_signals.hpp"
#include "app/sqs_options.hpp"
#include "app/token_keys.hpp"
#include "app/version.hpp"
#include "auth/remote_keys.hpp"
#include "base/clock.hpp"
#include "base/redact.hpp"
#include "egress/docs/api_docs.hpp"
#include "egress/monitor/monitor.hpp"
#include "egress/monitor/store_watch.hpp"
#include "egress/query/read_history.hpp"
#include "egress/query/read_items.hpp"
#include "egress/query/read_progress.hpp"
#include "egress/query/read_summary.hpp"
#include "http/server.hpp"
#include "http/worker_pool.hpp"
#include "ingest/ingest.hpp"
#include "ingress/kafka/kafka_source.hpp"
#include "ingress/rest/delete_progress.hpp"
#include "ingress/rest/report_progress.hpp"
#include "ingress/sqs/sqs_source.hpp"
#include "json/writer.hpp"
#include "net/http_get.hpp"
#include "retention/retention.hpp"
#include "store/measured/measured_store.hpp"
#include "telemetry/metrics.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// As many connections as the system allows: what a shell allows by default is few.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);  // refused: then it stays as it is, and accept says when it is not enough
}

/// All that runs, in the order it starts; destroyed in the other.
class Service {
 public:
  static Result<std::unique_ptr<Service>> start(const Config& config) {
    PEBBLES_TRY_VOID(make_embedded_folder(config));
    PEBBLES_TRY(keys, configured_keys(config));
    PEBBLES_TRY(rule, admission::ClientKrnRule::compile(config.client_krn_pattern));
    PEBBLES_TRY(opened, open_store(config));  // last: a start that is refused leaves no file behind
    std::unique_ptr<Service> service{new Service{config, std::move(rule), std::move(keys), std::move(opened)}};
    PEBBLES_TRY_VOID(service->listen(config));
    PEBBLES_TRY_VOID(service->show_metrics(config));
    PEBBLES_TRY_VOID(service->read_kafka(config));
    service->read_sqs(config);
    return service;
  }

  ~Service() { stop(config_.shutdown_timeout); }
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  [[nodiscard]] std::optional<std::uint16_t> metrics_port() const {
    return metrics_server_ ? std::optional{metrics_server_->port()} : std::nullopt;
  }

  /// Serves on for the load balancer's sake, then takes nothing more, drains and ends. True when all was drained.
  bool shut_down() {
    const auto until = steady_clock::now() + config_.shutdown_timeout;
    ready_ = false;
    server_->announce_close();
    if (sqs_owner_) sqs_owner_->stop_receiving();  // an open poll has until then to end
    std::this_thread::sleep_for(std::min(config_.shutdown_delay, config_.shutdown_timeout));
    return stop(std::max(milliseconds{0}, std::chrono::duration_cast<milliseconds>(until - steady_clock::now())));
  }

 private:
  Service(const Config& config, admission::ClientKrnRule rule, auth::KeySet keys, OpenedStore opened)
      : config_{config},
        client_rule_{std::move(rule)},
        keys_{std::move(keys), !config.jwt_jwks_url.empty()},
        store_{store::measured(std::move(opened.store))},
        store_watch_{[this] { return store_->reader().ping(); }, {}},
        readers_{{.threads = opened.readers, .running_of_one_max = half_of(opened.readers)}},
        // Lists are work for a processor: what is read or counted in between goes first.
        listers_{{.threads = opened.listers, .running_of_one_max = half_of(opened.listers), .nice = 5}},
        log_readers_{{.threads = opened.log_readers,
                      .running_of_one_max = half_of(opened.log_readers),
                      .nice = 5,
                      .gives_way = [this] { return ingest_->is_busy(); }}} {
    if (!config.jwt_jwks_url.empty()) issuer_ = std::make_unique<auth::RemoteKeys>(keys_, issuer_options(config));
    std::vector<std::unique_ptr<store::EventStore>> lanes;
    lanes.reserve(opened.lanes);
    for (std::size_t i = 0; i < opened.lanes; ++i) lanes.push_back(store_->writer());
    ingest_ = std::make_unique<ingest::Ingest>(std::move(lanes),
                                               ingest::IngestOptions{.alone = config.sqlite_path().has_value()});
    store_->on_upkeep([this] { ingest_->wake(); });
    retention_ = std::make_unique<retention::RetentionThread>(
        store_->pruner(), *ingest_, config.retention, config.prune_interval, [this] { return ingest_->is_busy(); });
  }

  static std::size_t half_of(std::size_t threads) { return std::max<std::size_t>(threads / 2, 1); }

  auth::RemoteKeysOptions issuer_options(const Config& config) const {
    auth::RemoteKeysOptions out;
    out.url = config.jwt_jwks_url;
    out.fetch = [url = config.jwt_jwks_url, stop = stop_asking_.get_token()] {
      return net::http_get({.url = url, .stop = stop});
    };
    out.refresh = config.jwt_jwks_refresh;
    out.retry_max = std::min(out.retry_max, out.refresh);
    return out;
  }

  [[nodiscard]] std::shared_ptr<access::Guard> make_guard() {
    access::GuardOptions options;
    options.tokens.claims = claim_rules(config_);
    options.bound_to_clients = !config_.jwt_client_claim.empty();
    if (issuer_) options.fetch_keys = [this](std::function<void()> done) { return issuer_->ask(std::move(done)); };
    return std::make_shared<access::Guard>(keys_, std::move(options), clock_);
  }

  Result<void> listen(const Config& config) {
    const rest::RestParts rest{.ingest = *ingest_,
                               .client_rule = client_rule_,
                               .clock = clock_,
                               .pool = batchers_,
                               .bodies = bodies_,
                               .items_max = config.max_errors_in_record};
    const rest::DeleteParts removal{
        .ingest = *ingest_, .reader = store_->reader(), .pool = readers_, .client_rule = client_rule_, .clock = clock_};
    const query::QueryParts query{.reader = store_->reader(),
                                  .clock = clock_,
                                  .client_rule = client_rule_,
                                  .pool = readers_,
                                  .lists = listers_,
                                  .logs = log_readers_,
                                  .options = {.limit_default = config.list_limit,
                                              .limit_max = config.list_limit_max,
                                              .items_max = config.max_errors_in_record,
                                              .stalled_after = config.stalled_after,
                                              .public_url = config.public_url}};
    http::ServerOptions options;
    options.host = config.host_or_default();
    options.port = config.port;
    options.threads = config.http_threads;
    options.connections_max = config.max_connections;
    options.deadlines.idle = config.idle_timeout;
    options.deadlines.head = config.head_timeout;
    options.deadlines.body = config.body_timeout;
    options.deadlines.write = config.write_timeout;
    options.cors = *http::CorsPolicy::parse(config.cors_origins);
    PEBBLES_TRY(server, http::Server::start(std::move(options), [&](http::Loop& loop) {
                  const auto guard = make_guard();
                  rest::add_routes(loop, rest, guard);
                  rest::add_delete_route(loop, removal, guard);
                  const query::ReadAccess access{.guard = guard, .is_public = config_.public_reads};
                  query::add_routes(loop, query, access);
                  query::add_summary_route(loop, query, access);
                  query::add_item_routes(loop, query, access);
                  query::add_history_routes(loop, query, access);
                  monitor::add_health_routes(loop, monitor_parts());
                  if (!config_.metrics_port) monitor::add_metrics_route(loop, monitor_parts());
                  docs::add_routes(loop, version);
                }));
    server_ = std::move(server);
    listening_ = server_.get();
    return {};
  }

  /// Apart from those who report and read: the names of clients are nobody else's business.
  Result<void> show_metrics(const Config& config) {
    if (!config.metrics_port) return {};
    http::ServerOptions options;
    options.host = config.host_or_default();
    options.port = *config.metrics_port;
    options.connections_max = 100;
    PEBBLES_TRY(server, http::Server::start(std::move(options), [this](http::Loop& loop) {
                  monitor::add_health_routes(loop, monitor_parts());
                  monitor::add_metrics_route(loop, monitor_parts());
                }));
    metrics_server_ = std::move(server);
    return {};
  }

  monitor::MonitorParts monitor_parts() {
    return {.trouble = [this] { return trouble(); },
            .impairment = [this] { return impairment(); },
            .describe = [this] { return describe(); },
            .metrics = [this] { return telemetry::metrics_text(readings()); },
            .pool = questions_};
  }

  telemetry::Readings readings() const {
    const auto store = store_->state();
    return {.version = version,
            .ready = !trouble(),
            .connections = connections(),
            .queued_updates = ingest_->queued(),
            .pool_in_use = store.in_use,
            .pool_idle = store.idle,
            .pool_waiting = store.waiting,
            .clock_difference = store.clock_difference};
  }

  std::size_t connections() const {
    const auto* const server = listening_.load();
    return server != nullptr ? server->connections() : 0;
  }

  Result<void> read_kafka(const Config& config) {
    if (!config.kafka_enabled) {
      if (!config.kafka_bootstrap_servers.empty()) telemetry::kafka_not_enabled();
      return {};
    }
    PEBBLES_TRY(source, kafka::KafkaSource::start(kafka_options(config),
                                                  {.ingest = *ingest_, .client_rule = client_rule_, .clock = clock_}));
    kafka_owner_ = std::move(source);
    kafka_ = kafka_owner_.get();
    return {};
  }

  void read_sqs(const Config& config) {
    if (!config.sqs_enabled) {
      if (!config.sqs_queue_url.empty()) telemetry::sqs_not_enabled();
      return;
    }
    sqs_owner_ = sqs::SqsSource::start(
        sqs_options(config), {.ingest = *ingest_,
                              .client_rule = client_rule_,
                              .clock = clock_,
                              .credentials = aws::default_credentials(from_process_environment, config.aws_region)});
    sqs_ = sqs_owner_.get();
  }

  /// Any thread, from when the server listens.
  std::optional<std::string> trouble() const {
    if (!ready_) return "Shutting down";
    if (auto trouble = store_watch_.trouble()) return trouble;
    if (const auto* const source = kafka_.load())
      if (auto trouble = source->trouble()) return trouble;
    const auto* const source = sqs_.load();
    return source != nullptr ? source->trouble() : std::nullopt;
  }

  /// Why only a part is served. Any thread, likewise.
  std::optional<std::string> impairment() const {
    if (const auto why = store_->state().refuses_commits) return refused_commits(*why);
    return std::nullopt;
  }

  static std::string refused_commits(const std::string& why) {
    return fmt::format("The store refuses commits: {}", redacted(why));
  }

  /// Members of a JSON object. Any thread, likewise.
  std::string describe() const {
    const auto up = std::chrono::duration_cast<std::chrono::seconds>(steady_clock::now() - started_);
    auto out = fmt::format(R"("version":"{}","uptimeSeconds":{},"parts":{{"store":{{)", version, up.count());
    out += describe_store();
    out += fmt::format(R"(}},"http":{{"connections":{}}},"ingest":{{"queued":{}}})", connections(), ingest_->queued());
    if (const auto* const source = kafka_.load()) out += fmt::format(R"(,"kafka":{})", source->describe());
    if (const auto* const source = sqs_.load()) out += fmt::format(R"(,"sqs":{})", source->describe());
    return out + "}";
  }

  std::string describe_store() const {
    const auto state = store_->state();
    auto out = fmt::format(R"("kind":"{}","state":)", state.kind);
    const auto refused = state.refuses_commits ? "refuses commits: " + redacted(*state.refuses_commits) : "ok";
    json::append_string(out, store_watch_.trouble().value_or(refused));
    if (!state.topology.empty()) out += fmt::format(R"(,"topology":"{}")", state.topology);
    out += fmt::format(R"(,"pool":{{"inUse":{},"idle":{},"waiting":{}}})", state.in_use, state.idle, state.waiting);
    if (state.clock_difference) out += fmt::format(R"(,"clockDifferenceMs":{})", state.clock_difference->count());
    return out;
  }

  bool stop(milliseconds deadline) {
    if (!ingest_) return true;
    const auto until = steady_clock::now() + deadline;
    bool drained = true;
    if (server_) {
      server_->stop_accepting();
      drained = server_->stop(deadline);
    }
    const auto left_of = [until] {
      return std::max(milliseconds{0}, std::chrono::duration_cast<milliseconds>(until - steady_clock::now()));
    };
    if (kafka_owner_) drained = kafka_owner_->stop(left_of()) && drained;
    if (sqs_owner_) drained = sqs_owner_->stop(left_of()) && drained;
    retention_->stop();
    // Handlers that were cut off still wait in the loops, so the lanes end before the loops go.
    drained = ingest_->stop(std::max(left_of(), milliseconds{1000})) && drained;
    // Until here it says how far the drain is.
    if (metrics_server_) metrics_server_->stop(std::min(left_of(), milliseconds{1000}));
    questions_.stop();
    batchers_.stop();
    readers_.stop();
    listers_.stop();
    log_readers_.stop();
    stop_asking_.request_stop();
    if (issuer_) issuer_->stop();
    metrics_server_.reset();
    listening_ = nullptr;
    server_.reset();
    retention_.reset();
    ingest_.reset();
    kafka_ = nullptr;
    kafka_owner_.reset();
    sqs_ = nullptr;
    sqs_owner_.reset();
    return drained;
  }

  const steady_clock::time_point started_ = steady_clock::now();
  Config config_;
  SystemClock clock_;
  admission::ClientKrnRule client_rule_;
  auth::KeyRing keys_;
  std::stop_source stop_asking_;              ///< the issuer, which may take its time to answer
  std::unique_ptr<auth::RemoteKeys> issuer_;  ///< where JWT_JWKS_URL names one
  std::unique_ptr<store::Store> store_;
  monitor::StoreWatch store_watch_;
  http::WorkerPool readers_;
  http::WorkerPool listers_;
  http::WorkerPool log_readers_;  ///< their threads look at ingest only behind a job, so when it is there
  http::FairBudget bodies_{64UL << 20U};
  http::WorkerPool batchers_{
      {.threads = 1, .queue_max = 256, .name = "batches"}};      ///< what they do is work for a processor
  http::WorkerPool questions_{{.threads = 1, .queue_max = 64}};  ///< of supervisors: no flood of reads is before them
  std::atomic<bool> ready_{true};
  std::unique_ptr<ingest::Ingest> ingest_;
  std::unique_ptr<retention::RetentionThread> retention_;
  std::unique_ptr<http::Server> server_;
  std::atomic<const http::Server*> listening_{nullptr};  ///< what its own loops see of it
  std::unique_ptr<http::Server> metrics_server_;         ///< where METRICS_PORT asks for one
  std::unique_ptr<kafka::KafkaSource> kafka_owner_;
  std::atomic<const kafka::KafkaSource*> kafka_{nullptr};  ///< what the server's loops see
  std::unique_ptr<sqs::SqsSource> sqs_owner_;
  std::atomic<const sqs::SqsSource*> sqs_{nullptr};  ///< likewise
};

}  // namespace

int serve(const Config& config) {
  telemetry::start_log(config.log_level, config.log_format);
  telemetry::start_metrics(config.metrics_port ? config.metrics_clients_max : 0);
  block_signals();
  raise_descriptor_limit();
  for (const auto& [setting, what] : config_warnings(config, from_process_environment, names_in_process_environment()))
    telemetry::setting_doubted(setting, what);
  auto service = Service::start(config);
  if (!service) {
    telemetry::flush_log();  // what led to it stands before it
    fmt::print(stderr, "pebbles: {}\n", service.error().detail);
    return 2;
  }
  telemetry::server_listening(config.host_or_default(), (*service)->port(), version);
  if (const auto port = (*service)->metrics_port()) telemetry::metrics_listening(config.host_or_default(), *port);
  if (config.log_format == telemetry::LogFormat::text) greet(config, (*service)->port(), (*service)->metrics_port());
  telemetry::server_stopping(wait_for_end());
  const bool drained = (*service)->shut_down();
  telemetry::server_stopped(drained);
  return drained ? 0 : 1;
}

}  // namespace pebbles::app
