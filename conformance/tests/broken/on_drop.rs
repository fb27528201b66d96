//! What a call does where it is dropped half way.

/// Runs when it is dropped, unless it was disarmed.
pub(crate) struct OnDrop<F: FnMut()>(Option<F>);

impl<F: FnMut()> OnDrop<F> {
    pub(crate) fn new(act: F) -> Self {
        OnDrop(Some(act))
    }

    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(act) = &mut self.0 {
            act();
        }
    }
}
