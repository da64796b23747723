"""The store on Firestore."""
