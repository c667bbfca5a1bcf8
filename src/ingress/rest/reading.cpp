#include "ingress/rest/reading.hpp"

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>

namespace pebbles::rest {

http::Task<void> pause(std::chrono::milliseconds length) {
  using Clock = std::chrono::steady_clock;
  using Timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, http::Executor>;
  Timer timer{co_await boost::asio::this_coro::executor};
  timer.expires_after(length);
  boost::system::error_code cancelled;
  co_await timer.async_wait(boost::asio::redirect_error(http::use_task, cancelled));
}

}  // namespace pebbles::rest
