package authserver_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

func TestSpentRefreshTokenKillsTheFamily(t *testing.T) {
	_, issuer := start(t, nil)
	c := register(t, issuer)
	first, err := c.LogIn(t.Context(), alice, "offline_access", "read:orders")
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.Refresh(t.Context(), first.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	if second.RefreshToken == first.RefreshToken {
		t.Error("the refresh token was not rotated")
	}
	_, err = c.Refresh(t.Context(), first.RefreshToken)
	wantOAuthError(t, err, "invalid_grant")
	_, err = c.Refresh(t.Context(), second.RefreshToken)
	wantOAuthError(t, err, "invalid_grant")
}

func TestRefreshTokenIsRedeemedOnceUnderConcurrency(t *testing.T) {
	_, issuer := start(t, nil)
	c := register(t, issuer)
	tok, err := c.LogIn(t.Context(), alice, "offline_access", "read:orders")
	if err != nil {
		t.Fatal(err)
	}
	// Whoever wins is followed by 15 that come too late and kill the family, so
	// each round needs a login of its own.
	for range 12 {
		var wg sync.WaitGroup
		begin := make(chan struct{})
		won := make(chan struct{}, 16)
		for range cap(won) {
			wg.Go(func() {
				<-begin
				if _, err := c.Refresh(t.Context(), tok.RefreshToken); err == nil {
					won <- struct{}{}
				}
			})
		}
		close(begin)
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d of %d requests redeemed the token, want 1", len(won), cap(won))
		}
		if tok, err = c.LogIn(t.Context(), alice, "offline_access", "read:orders"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRevocationEndsRefresh(t *testing.T) {
	_, issuer := start(t, nil)
	c := register(t, issuer)
	tok, err := c.LogIn(t.Context(), alice, "offline_access", "read:orders")
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, c.Metadata.Revocation, strings.NewReader(url.Values{"token": {tok.RefreshToken}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(c.OAuth.ClientID, c.OAuth.ClientSecret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("revoke: status %d, want 200", resp.StatusCode)
	}
	_, err = c.Refresh(t.Context(), tok.RefreshToken)
	wantOAuthError(t, err, "invalid_grant")
}
