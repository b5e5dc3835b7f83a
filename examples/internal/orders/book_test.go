package orders_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/bearward/bearward/examples/internal/orders"
)

func TestPlaceChecksTheOrder(t *testing.T) {
	b := orders.NewBook()
	for name, c := range map[string]struct {
		item     string
		quantity int
		ok       bool
	}{
		"an empty order is one tea": {"", 0, true},
		"a full order":              {"honey", 2, true},
		"a long item":               {strings.Repeat("x", 101), 1, false},
		"a negative quantity":       {"tea", -1, false},
		"a huge quantity":           {"tea", 1001, false},
	} {
		order, err := b.Place("alice", c.item, c.quantity)
		if (err == nil) != c.ok {
			t.Errorf("%s: err = %v", name, err)
		}
		if found, ok := b.Find(order.ID); ok != c.ok || found != order {
			t.Errorf("%s: Find(%q) = %v, %t", name, order.ID, found, ok)
		}
	}
}

func TestBookForgetsItsOldestOrders(t *testing.T) {
	b := orders.NewBook()
	for range 1500 {
		if _, err := b.Place("alice", "tea", 1); err != nil {
			t.Fatal(err)
		}
	}
	list := b.List()
	if len(list) != 1000 || list[999].ID != "1502" {
		t.Errorf("%d orders, the last is %v", len(list), list[len(list)-1])
	}
}

func TestWatchYieldsOldAndNewOrdersUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		b := orders.NewBook()
		var seen []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			for order := range b.Watch(ctx) {
				seen = append(seen, order.Item)
			}
		}()
		synctest.Wait()
		if _, err := b.Place("alice", "tea", 1); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		stop()
		<-done
		if got := strings.Join(seen, " "); got != "honey blueberries tea" {
			t.Errorf("watched %q", got)
		}
	})
}
