// The job of test_generated.py with a client that openapi-generator made.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"example.com/dashboard/alphapulse"
)

func must[T any](value T, response *http.Response, err error) T {
	if err != nil {
		log.Fatalf("%v %v", response, err)
	}
	return value
}

// The problem that a call ended with.
func problem(err error) alphapulse.Problem {
	var failure *alphapulse.GenericOpenAPIError
	if !errors.As(err, &failure) {
		log.Fatalf("no problem: %v", err)
	}
	return failure.Model().(alphapulse.Problem)
}

func main() {
	configuration := alphapulse.NewConfiguration()
	configuration.Servers = alphapulse.ServerConfigurations{{URL: os.Getenv("AP_URL")}}
	client := alphapulse.NewAPIClient(configuration)
	ctx := context.Background()

	first := must(client.AuthAPI.CreateToken(ctx).GrantType(alphapulse.GRANTTYPE_PASSWORD).
		Username(os.Getenv("AP_USERNAME")).Password(os.Getenv("AP_PASSWORD")).Execute())
	token := must(client.AuthAPI.CreateToken(ctx).GrantType(alphapulse.GRANTTYPE_REFRESH_TOKEN).
		RefreshToken(first.RefreshToken).Execute())
	ctx = context.WithValue(ctx, alphapulse.ContextAccessToken, token.AccessToken)

	order := *alphapulse.NewTradeRequest("AAPL", alphapulse.SIDE_BUY, "10.50")
	order.SetId("t-1")
	order.SetPrice("187.20")
	trade, stored, err := client.TradesAPI.CreateTrade(ctx).TradeRequest(order).Execute()
	must(trade, stored, err)
	_, again, err := client.TradesAPI.CreateTrade(ctx).TradeRequest(order).Execute()
	must(trade, again, err)
	var many []alphapulse.TradeRequest
	for n := 0; n < 1000; n++ {
		one := *alphapulse.NewTradeRequest("MSFT", alphapulse.SIDE_SELL, "1")
		one.SetId(fmt.Sprintf("m-%d", n))
		one.SetPrice("402")
		many = append(many, one)
	}
	batch := must(client.TradesAPI.CreateTrades(ctx).TradeRequest(many).Execute())

	var pages []int
	for cursor, more := "", true; more; more = cursor != "" {
		list := client.TradesAPI.ListTrades(ctx).Symbol("MSFT").Side(alphapulse.SIDE_SELL).Limit(400)
		if cursor != "" {
			list = list.Cursor(cursor)
		}
		page, response, err := list.Execute()
		pages = append(pages, len(must(page, response, err)))
		cursor = response.Header.Get("X-Next-Cursor")
	}

	raised := *alphapulse.NewAlertRequest("drawdown")
	raised.SetSeverity(alphapulse.SEVERITY_CRITICAL)
	alert := must(client.AlertsAPI.CreateAlert(ctx).AlertRequest(raised).Execute())
	acknowledgement := *alphapulse.NewAcknowledgeRequest()
	acknowledgement.SetComments("looking")
	seen := must(client.AlertsAPI.AcknowledgeAlert(ctx, alert.Id).AcknowledgeRequest(acknowledgement).Execute())

	ten := time.Date(2025, 1, 6, 10, 0, 0, 0, time.UTC)
	var points []alphapulse.MetricPointRequest
	for _, value := range []float64{1, 2, 6} {
		value := value
		point := *alphapulse.NewMetricPointRequest("risk", "var_95", *alphapulse.NewNullableFloat64(&value))
		point.SetTimestamp(ten.Add(time.Duration(value) * time.Minute))
		points = append(points, point)
	}
	must(client.MetricsAPI.CreateMetrics(ctx).MetricPointRequest(points).Execute())
	var buckets [][]float64
	for _, bucket := range must(client.MetricsAPI.ListMetrics(ctx, "risk").StartTime(ten).EndTime(ten.Add(time.Hour)).
		Aggregation([]alphapulse.AggregationFunction{"avg", "max"}).Interval("1h").Execute()) {
		buckets = append(buckets, []float64{float64(bucket.Timestamp.Hour()), bucket.GetAvg(), bucket.GetMax()})
	}

	for _, value := range []string{"100000.00", "100250.75"} {
		update := *alphapulse.NewPortfolioRequest(value, "25000.00")
		must(client.PortfolioAPI.UpdatePortfolio(ctx).PortfolioRequest(update).Execute())
	}
	portfolio := must(client.PortfolioAPI.GetPortfolio(ctx).IncludeHistory(true).Execute())

	table := must(client.TradesAPI.ExportTrades(ctx).Format(alphapulse.EXPORTFORMAT_CSV).Symbol("MSFT").Execute())

	order.SetId("t-2")
	order.SetExecutedAt(ten.AddDate(974, 0, 0))
	_, _, err = client.TradesAPI.CreateTrade(ctx).TradeRequest(order).Execute()
	refused := problem(err)
	var limited *http.Response
	for err = nil; err == nil; {
		_, limited, err = client.AuthAPI.GetMe(ctx).Execute()
	}

	json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"role":         token.Role,
		"renewed":      token.AccessToken != first.AccessToken,
		"trade":        []interface{}{trade.Id, trade.Quantity, stored.StatusCode, again.StatusCode},
		"batch":        []interface{}{batch.Accepted, batch.Refused},
		"pages":        pages,
		"acknowledged": []interface{}{seen.Status, seen.Comments.Get()},
		"buckets":      buckets,
		"portfolio":    []interface{}{portfolio.TotalValue, len(portfolio.History)},
		"exported":     strings.Count(table, "\n"),
		"refused":      []interface{}{refused.Status, refused.Errors[0].GetPointer()},
		"limited":      []interface{}{problem(err).Status, limited.Header.Get("Retry-After") > "0"},
	})
}
