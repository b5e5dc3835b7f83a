// Package orders is the API that the examples protect: a small book of
// orders, its JSON answers, and its gRPC service.
package orders

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync"
)

// Order is one entry of a Book.
type Order struct {
	ID       string `json:"id"`
	Item     string `json:"item"`
	Quantity int    `json:"quantity"`
	PlacedBy string `json:"placed_by"`
}

const (
	maxOrders   = 1_000 // the oldest ones leave first
	maxItem     = 100   // bytes
	maxQuantity = 1_000
)

// Book holds orders in memory. It is safe for concurrent use.
type Book struct {
	mu      sync.Mutex
	orders  []Order
	placed  int           // how many ever, the last order's number
	changed chan struct{} // closed by the next order
}

// NewBook returns a Book with two orders in it.
func NewBook() *Book {
	b := &Book{changed: make(chan struct{})}
	b.place("bear", "honey", 3)
	b.place("bear", "blueberries", 12)
	return b
}

// List returns all orders, oldest first.
func (b *Book) List() []Order {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.orders)
}

// Find returns the order of that ID.
func (b *Book) Find(id string) (Order, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.orders, func(o Order) bool { return o.ID == id })
	if i < 0 {
		return Order{}, false
	}
	return b.orders[i], true
}

// Place adds an order. An empty item is tea, and a quantity of 0 is 1.
func (b *Book) Place(by, item string, quantity int) (Order, error) {
	if item == "" {
		item = "tea"
	}
	if quantity == 0 {
		quantity = 1
	}
	if len(item) > maxItem {
		return Order{}, fmt.Errorf("orders: item is longer than %d bytes", maxItem)
	}
	if quantity < 0 || quantity > maxQuantity {
		return Order{}, fmt.Errorf("orders: quantity is not from 1 to %d", maxQuantity)
	}
	return b.place(by, item, quantity), nil
}

func (b *Book) place(by, item string, quantity int) Order {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.placed++
	order := Order{ID: strconv.Itoa(b.placed), Item: item, Quantity: quantity, PlacedBy: by}
	b.orders = append(b.orders, order)
	if len(b.orders) > maxOrders {
		b.orders = slices.Delete(b.orders, 0, 1)
	}
	close(b.changed)
	b.changed = make(chan struct{})
	return order
}

// Watch yields every order, and then each new one, until ctx ends. A reader
// that is slower than a thousand orders misses some.
func (b *Book) Watch(ctx context.Context) iter.Seq[Order] {
	return func(yield func(Order) bool) {
		for seen := 0; ; {
			fresh, placed, changed := b.since(seen)
			for _, order := range fresh {
				if !yield(order) {
					return
				}
			}
			seen = placed
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
		}
	}
}

// since returns the orders after number seen, the newest number, and a channel
// that the next order closes.
func (b *Book) since(seen int) (fresh []Order, placed int, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	count := min(b.placed-seen, len(b.orders))
	return slices.Clone(b.orders[len(b.orders)-count:]), b.placed, b.changed
}
